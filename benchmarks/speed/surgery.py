"""What surgery on a live model costs: bytes saved, and the time of an edit, of many candidates, and of an episode."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from torch import Tensor
from torch.nn import functional as F

from benchmarks.figure import Figure
from benchmarks.measure import Timing, median_ratio, microseconds_per_call
from benchmarks.program import run_program
from benchmarks.speed.environments import time_figure
from wmil_agents.networks.transformer import Transformer
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.surgeons import SurgeryEnv, make_patient
from wmil_agents.surgery import Edit, Gains, Scale, SurgicalTheater, Temperature, score_edits
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

ID = "wmil_envs:WMIL/PatternEcho-v0"
N_SYMBOLS = 8
N_CANDIDATES = 64
BLOCKS = "features_extractor.transformer.blocks"
SHARES: dict[str, tuple[list[Edit], float]] = {
    "one head's query rows": ([Temperature(f"{BLOCKS}.0.attention", 0.1, head=0)], 1.0),
    "a layer's queries, keys and values": ([Scale(f"{BLOCKS}.0.attention.qkv", 0.1)], 12.2),
    "all attention": ([Scale(f"{BLOCKS}.*.attention.*", 0.1)], 32.5),
}
"""Edits, and the percentage of a clone of the policy that may be saved for them."""
USE_BOUND, COPY_BOUND, TOGETHER_BOUND = 20.0, 50.0, 4.0
"""Microseconds of a use; how many times as long a copy takes; how many times as quick candidates are together."""


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    torch.set_num_threads(1)
    n_turns = 5 if short else 21
    return [
        *shares(policy_of(16)),
        *uses(n_turns),
        *candidates(policy_of(N_SYMBOLS), n_turns),
        *episodes(n_turns),
    ]


def policy_of(n_symbols: int) -> PPO:
    """An algorithm with a policy of two layers and width 64."""
    env = make_batch_vec_env(ID, 1, seed=0, n_symbols=n_symbols)
    return PPO(TransformerPolicy, env, n_steps=8, batch_size=8, seed=0, device="cpu")


def shares(model: PPO) -> list[Figure]:
    """Bytes saved as a share of a clone of the policy, to the tenth of a percent, like the bounds."""
    figures = []
    for name, (edits, bound) in SHARES.items():
        theater = SurgicalTheater(model, edits)
        label = f"bytes saved of a 2 x 64 policy's, {name}"
        note = f"{theater.bytes_saved:,} bytes, as many as are touched"
        figures.append(Figure(label, round(100.0 * theater.share_of_clone, 1), "%", bound, note=note))
    return figures


def uses(n_turns: int) -> list[Figure]:
    """Applying an edit and undoing it, beside a copy of the same model."""
    torch.manual_seed(0)
    model = Transformer(width=64, n_layers=2, n_heads=4)
    one_head = SurgicalTheater(model, Temperature("blocks.0.attention", 0.1, head=0)).prepare()
    gains = SurgicalTheater(model, Gains("*", 0.1)).prepare()
    actions = torch.randn(2, gains.n_strengths).tolist()

    def operate() -> None:
        actions.reverse()
        gains.operate(actions[0])

    with gains:
        contestants = {"use": use_of(one_head), "operate": operate, "copy": lambda: copy.deepcopy(model)}
        timings = microseconds_per_call(contestants, n_turns)
    ratio = median_ratio(timings["copy"], timings["use"])
    return [
        time_figure("one head's temperature applied and undone, prepared, 2 x 64", timings["use"], USE_BOUND),
        time_figure("new gains for the queries and values of all heads, 16 numbers", timings["operate"], None),
        time_figure("deepcopy of the same model", timings["copy"], None),
        Figure("deepcopy, times as long as one head", ratio, "x", COPY_BOUND, "more", repeats=n_turns),
    ]


def use_of(theater: SurgicalTheater) -> Callable[[], None]:
    """Enters and leaves."""

    def use() -> None:
        with theater:
            pass

    return use


def candidates(model: PPO, n_turns: int) -> list[Figure]:
    """Candidate edits scored on every instance of the world, together and one by one in prepared theaters."""
    generator = torch.Generator().manual_seed(0)
    numbers = (0.3 * torch.randn(N_CANDIDATES, 16, generator=generator)).tolist()
    one_head: list[Edit] = [Temperature(f"{BLOCKS}.1.attention", own[0], head=1) for own in numbers]
    all_heads: list[Edit] = [Gains("*", own) for own in numbers]
    obs = torch.zeros(N_SYMBOLS, 3, dtype=torch.int32)
    obs[:, 0] = torch.arange(N_SYMBOLS)
    figures = []
    for name, edits in {"one head each": one_head, "gains of all heads": all_heads}.items():
        timings = microseconds_per_call(
            {"together": together(model, edits, obs), "one by one": one_by_one(model, edits, obs)}, n_turns
        )
        ratio = median_ratio(timings["one by one"], timings["together"])
        label = f"{N_CANDIDATES} candidate edits on {N_SYMBOLS} observations, {name}"
        difference = (together(model, edits, obs)() - one_by_one(model, edits, obs)()).abs().max().item()
        note = f"scores differ by {difference:.0e} at most"
        figures += [
            Figure(f"{label}: times as quick together", ratio, "x", TOGETHER_BOUND, "more", repeats=n_turns, note=note),
            *(milliseconds(f"{label}: {way}", timing) for way, timing in timings.items()),
        ]
    return figures


def episodes(n_turns: int) -> list[Figure]:
    """Edits of `WMIL/Surgery-v0`, beside plain forwards over the search items."""
    patient = make_patient()
    training = SurgeryEnv(patient, measure_held_out=False)
    full = SurgeryEnv(patient)
    still = np.zeros(training.action_space.shape, np.float32)

    def episode_in(env: SurgeryEnv) -> Callable[[], None]:
        def episode() -> None:
            env.reset()
            for _ in range(env.n_edits):
                env.step(still)

        return episode

    def plain() -> None:
        for _ in range(training.n_edits):
            patient.search(patient.model)

    calls = {"plain": plain, "training": episode_in(training), "full": episode_in(full)}
    timings = microseconds_per_call(calls, n_turns)
    label = f"WMIL/Surgery-v0, an episode of {training.n_edits} edits with its reset"
    return [
        Figure(
            f"{label}, {name}: times as long as {training.n_edits} plain forwards",
            median_ratio(timings[key], timings["plain"]),
            "x",
            None,
            repeats=n_turns,
        )
        for key, name in (("full", "held-out scores included"), ("training", "without held-out scores"))
    ]


def score(policy: Any, obs: Tensor) -> Tensor:
    """Cross-entropy of the right answers."""
    return F.cross_entropy(policy.get_distribution(obs).distribution.logits, obs[:, 0].long())


def together(model: PPO, edits: Sequence[Edit], obs: Tensor) -> Callable[[], Tensor]:
    """All in one forward."""
    return lambda: score_edits(model, edits, obs, score)


def one_by_one(model: PPO, edits: Sequence[Edit], obs: Tensor) -> Callable[[], Tensor]:
    """One theater, its strengths set for each."""
    theater = SurgicalTheater(model, edits[0])

    def scores() -> Tensor:
        found = []
        with torch.no_grad(), theater:
            for edit in edits:
                theater.operate(edit.strength if isinstance(edit.strength, Sequence) else [edit.strength])
                found.append(score(model.policy, obs))
        return torch.stack(found)

    return scores


def milliseconds(label: str, timing: Timing) -> Figure:
    """A time with its quartiles, for comparison."""
    low, high = timing.quartiles
    value = statistics.median(timing.turns)
    return Figure(label, value / 1e3, "ms", None, "less", low / 1e3, high / 1e3, len(timing.turns))


if __name__ == "__main__":
    run_program("benchmarks.speed.surgery", measure, __doc__)
