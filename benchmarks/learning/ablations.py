"""What is each component of the learner worth? Steps to 95 % exact success with the component cut out, seed by seed.

The list of components and the tasks are frozen. A run that never gets there counts as one that gave up. Writes the
table of the documentation page, and prints it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from benchmarks.learning.pattern_echo import N_ENVS, THRESHOLD
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.evaluation.intervals import Interval, bootstrap_interval, paired_bootstrap
from wmil_agents.evaluation.policy_table import policy_table
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env
from wmil_envs.exact_value import policy_value
from wmil_envs.seeding import spawn_seeds
from wmil_envs.world import World

TABLE = Path(__file__).parents[2] / "docs" / "tables" / "component_ablations.md"
WORLD_MODEL_SCALE = 0.2


@dataclass(frozen=True)
class Learner:
    """A whole learner, and how long it may take."""

    words: str
    env_id: str
    give_up_steps: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of REINFORCE."""
    env_arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Component:
    """A part of a learner, and what is there instead when it is cut out."""

    name: str
    instead: str
    learners: tuple[str, ...]
    """In which it is cut out."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of REINFORCE, over those of the learner."""
    policy_kwargs: Mapping[str, Any] = field(default_factory=dict)
    change: Callable[[TransformerPolicy], None] | None = None
    """Made to the fresh policy."""
    world_model_scale: float = WORLD_MODEL_SCALE


def without_attention(policy: TransformerPolicy) -> None:
    """No token learns anything of another one."""
    for block in policy.features_extractor.transformer.blocks:  # type: ignore[union-attr, operator]  # TransformerExtractor
        for parameter in block.attention.out.parameters():
            torch.nn.init.zeros_(parameter)
            parameter.requires_grad_(False)


def without_identity(policy: TransformerPolicy) -> None:
    """A token does not tell which attribute it is of: all share their rows of the table."""
    policy.features_extractor.tokenizer.offsets.zero_()  # type: ignore[union-attr, operator]  # CategoricalTokenizer


def without_mask(policy: TransformerPolicy) -> None:
    """Absent attributes are tokens like the others."""
    policy.features_extractor.tokenizer.optional = None  # type: ignore[union-attr]  # CategoricalTokenizer


def with_plain_action_head(policy: TransformerPolicy) -> None:
    """The action head starts as PyTorch makes linear layers."""
    with torch.random.fork_rng(devices=[]):
        policy.action_net.reset_parameters()  # type: ignore[operator]  # a Linear


PLAIN, REPLAY, SEQUENCE = "plain", "replay", "sequence"
ECHO_ID, SEQUENCE_ID = "wmil_envs:WMIL/PatternEcho-v0", "wmil_envs:WMIL/SequenceNext-v0"
LEARNERS = {
    PLAIN: Learner("REINFORCE, world model; PatternEcho", ECHO_ID, 3_000),
    REPLAY: Learner("REINFORCE, event replay, world model; PatternEcho", ECHO_ID, 3_000, {"event_replay": True}),
    SEQUENCE: Learner(
        "REINFORCE, event replay, world model; SequenceNext, modular, 4 symbols",
        SEQUENCE_ID,
        1_000,
        {"event_replay": True},
        {"level": 3, "n_symbols": 4},
    ),
}
COMPONENTS = (
    Component("event replay", "none", (REPLAY, SEQUENCE), {"event_replay": None}),
    Component("baseline", "none", (PLAIN, REPLAY), {"baseline": "none"}),
    Component("world model", "none", (PLAIN, REPLAY), world_model_scale=0.0),
    Component("attention", "its output is 0", (PLAIN, REPLAY, SEQUENCE), change=without_attention),
    Component("own rows per attribute (what stands where)", "common rows", (PLAIN, SEQUENCE), change=without_identity),
    Component("mask of absent attributes", "they are seen", (PLAIN, REPLAY, SEQUENCE), change=without_mask),
    Component(
        "read-out of the attributes",
        "of the query token",
        (PLAIN, REPLAY, SEQUENCE),
        policy_kwargs={"features_extractor_kwargs": {"readout": "query"}},
    ),
    Component("small action head", "PyTorch's", (PLAIN, REPLAY, SEQUENCE), change=with_plain_action_head),
    Component(
        "distinct observations", "every row is run", (PLAIN, REPLAY), policy_kwargs={"distinct_observations": False}
    ),
)


class StepsToThreshold(BaseCallback):
    """Before each rollout the exact success, at no cost in steps; stops when it is at the threshold."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.steps: int | None = None

    def _on_rollout_start(self) -> None:
        value = policy_value(self.world.observation, partial(policy_table, self.model), self.world.level)
        if self.steps is None and value.success >= THRESHOLD:
            self.steps = self.num_timesteps

    def _on_step(self) -> bool:
        return self.steps is None


def steps(learner: Learner, component: Component | None, seed: int) -> int | None:
    """Environment steps of one run until it has learnt, whole or without the component; None if it never has."""
    torch.set_num_threads(1)
    env = make_batch_vec_env(learner.env_id, N_ENVS, seed, **learner.env_arguments)
    world = world_of(env)
    assert world is not None
    follower = StepsToThreshold(world)
    cut = component or Component("", "", ())
    model = REINFORCE(
        "TransformerPolicy",
        env,
        seed=seed,
        device="cpu",
        policy_kwargs=dict(cut.policy_kwargs),
        **{**learner.arguments, **cut.arguments},
    )
    if cut.world_model_scale:
        attach(model, [WorldModelLoss(scale=cut.world_model_scale)])
    if cut.change is not None:
        assert isinstance(model.policy, TransformerPolicy)
        cut.change(model.policy)
    model.learn(learner.give_up_steps, callback=follower)
    env.close()
    return follower.steps


@dataclass(frozen=True)
class Row:
    """One component in one learner, or the learner whole."""

    learner: str
    component: Component | None
    steps: tuple[int | None, ...]
    whole: tuple[int | None, ...]
    """Of the same seeds."""

    @property
    def counted(self) -> list[float]:
        """Steps, a run that gave up with all of its own."""
        return counted(self.steps, LEARNERS[self.learner].give_up_steps)

    @property
    def difference(self) -> tuple[float, Interval]:
        """Median of what is needed more without the component, seed by seed, and its 95 % interval."""
        whole = counted(self.whole, LEARNERS[self.learner].give_up_steps)
        return paired_bootstrap(whole, self.counted, np.median, np.random.default_rng(0))

    @property
    def verdict(self) -> str:
        """What the component is worth, in words."""
        value, (low, high) = self.difference
        if low <= 0.0 <= high:
            return f"no effect shown, {value:,.0f} [{low:,.0f}, {high:,.0f}]"
        low, high = sorted((abs(low), abs(high)))
        word = "slower" if value > 0.0 else "**faster**"
        return f"{word} by {abs(value):,.0f} [{low:,.0f}, {high:,.0f}]"


def counted(all_steps: Sequence[int | None], give_up_steps: int) -> list[float]:
    """Steps as numbers."""
    return [float(give_up_steps if one is None else one) for one in all_steps]


def measure(n_seeds: int, n_processes: int = 1, names: Sequence[str] = tuple(LEARNERS)) -> list[Row]:
    """All rows of these learners, each whole first."""
    cases: list[tuple[str, Component | None]] = []
    for name in names:
        cases += [(name, None), *((name, component) for component in COMPONENTS if name in component.learners)]
    seeds = spawn_seeds(0, n_seeds)
    jobs = [(LEARNERS[name], component, seed) for name, component in cases for seed in seeds]
    if n_processes == 1:
        found = [steps(*job) for job in jobs]
    else:
        with get_context("spawn").Pool(n_processes) as pool:
            found = pool.starmap(steps, jobs, chunksize=1)
    by_case = [tuple(found[i * n_seeds : (i + 1) * n_seeds]) for i in range(len(cases))]
    whole = {name: of for (name, component), of in zip(cases, by_case, strict=True) if component is None}
    return [Row(name, component, of, whole[name]) for (name, component), of in zip(cases, by_case, strict=True)]


def table(rows: Sequence[Row]) -> str:
    """Markdown: each learner whole, and without each component."""
    lines = [
        "| learner, and what is cut out of it | instead | steps, median | solved | without it |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        low, high = bootstrap_interval(row.counted, np.median, np.random.default_rng(0))
        n_solved = sum(one is not None for one in row.steps)
        figures = f"{np.median(row.counted):,.0f} [{low:,.0f}, {high:,.0f}] | {n_solved} of {len(row.steps)}"
        if row.component is None:
            lines.append(f"| **{LEARNERS[row.learner].words}** |  | {figures} |  |")
        else:
            lines.append(f"| {row.component.name} | {row.component.instead} | {figures} | {row.verdict} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Runs, writes, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="runs of each row (default 20)")
    parser.add_argument("--processes", type=int, default=1, help="processes to share them among (default 1)")
    parser.add_argument("--table", type=Path, default=TABLE, help="file to write to")
    chosen = parser.parse_args(arguments)
    rows = measure(chosen.seeds, chosen.processes)
    words = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks.learning.ablations", *words])
    text = f"{table(rows)}\n{chosen.seeds} seeds; in brackets 95 % bootstrap intervals. Written by `{command}`.\n"
    chosen.table.parent.mkdir(parents=True, exist_ok=True)
    chosen.table.write_text(text, encoding="utf-8")
    print(text)
    return rows


if __name__ == "__main__":
    main()
