"""CartPole by the history agent, with parts of it changed, beside Stable-Baselines3's PPO with an MLP.

Each learner gets the preset's steps. Its policy plays 100 episodes at every interval, with its own randomness; CPU
time is that of learning alone. Writes the documentation's two tables, and prints them.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import LinearSchedule

from wmil_agents.evaluation.evaluate import evaluate
from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.quantity import number
from wmil_agents.evaluation.sampled import evaluation_seed
from wmil_agents.runs.evaluation_callback import EvaluatedStep, EvaluationCallback
from wmil_agents.runs.experiment import build_experiment, torch_threads
from wmil_agents.runs.settings_sources import load_settings
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

TABLES = Path(__file__).parents[2] / "docs" / "tables"
PRESET = "history-cartpole"
ENV_ID = "CartPole-v1"
SOLVED = gym.spec(ENV_ID).reward_threshold or 475.0
TOTAL_STEPS = load_settings(PRESET, []).total_steps
N_ENVS, N_EPISODES = 8, 100
PEER = "SB3 PPO, MlpPolicy, rl-zoo3's settings"
PEER_SETTINGS = {"n_steps": 32, "batch_size": 256, "n_epochs": 20, "gae_lambda": 0.8, "gamma": 0.98, "ent_coef": 0.0}
VARIANTS = ("history.positions=rotary", "history.positions=trace", "world_model.scale=0")


class Point(NamedTuple):
    """An evaluation on the way."""

    step: int
    episode_return: float
    seconds: float
    """CPU time of learning until then."""


Run = list[Point]
Learner = Callable[[int, int], Run]
"""What a seed gives, evaluated at an interval."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs, writes, prints."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.learning.history_cartpole",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=5, help="runs of each learner (default 5)")
    parser.add_argument("--interval", type=int, default=8_192, help="steps between evaluations (default 8,192)")
    parser.add_argument("--steps", type=int, default=TOTAL_STEPS, help=f"steps of a run (default {TOTAL_STEPS:,})")
    parser.add_argument("--tables", type=Path, default=TABLES, help="folder to write to")
    chosen = parser.parse_args(arguments)
    learners: dict[str, Learner] = {f"`wmil train {PRESET}`": history_agent([], chosen.steps), PEER: peer(chosen.steps)}
    learners |= {f"`--set {variant}`": history_agent([variant], chosen.steps) for variant in VARIANTS}
    runs: dict[str, list[Run]] = {}
    with torch_threads(1):
        for name, learner in learners.items():
            runs[name] = [learner(seed, chosen.interval) for seed in range(chosen.seeds)]
            print(f"{name}: measured", flush=True)
    words = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks.learning.history_cartpole", *words])
    made_by = f"written by `{command}`, one process with one thread.\n"
    chosen.tables.mkdir(parents=True, exist_ok=True)
    beside = {name: runs[name] for name in list(learners)[:2]}
    for file, text in (
        ("history_learners", f"{learners_table(runs)}\nMedian [least, most] of {chosen.seeds} seeds, {made_by}"),
        ("history_seeds", f"{seeds_table(beside)}\nMean returns of {N_EPISODES} episodes, {made_by}"),
    ):
        (chosen.tables / f"{file}.md").write_text(text, encoding="utf-8")
        print(text)


def history_agent(changes: Sequence[str], total_steps: int, *, until_solved: bool = False) -> Learner:
    """The preset with settings changed."""

    def learner(seed: int, interval: int) -> Run:
        experiment = build_experiment(load_settings(PRESET, [*changes, f"seed={seed}"]))
        try:
            return follow(
                experiment.model, lambda: experiment.evaluate(N_EPISODES), total_steps, interval, until_solved
            )
        finally:
            experiment.close()

    return learner


def peer(total_steps: int, *, until_solved: bool = False) -> Learner:
    """Stable-Baselines3's own network on the same environments, with the settings that rl-zoo3 has for them."""

    def learner(seed: int, interval: int) -> Run:
        env = make_batch_vec_env(ENV_ID, N_ENVS, seed)
        evaluation_env = make_batch_vec_env(ENV_ID, N_ENVS, evaluation_seed(seed))
        rates = {"learning_rate": LinearSchedule(1e-3, 0.0, 1.0), "clip_range": LinearSchedule(0.2, 0.0, 1.0)}
        model = PPO("MlpPolicy", env, seed=seed, device="cpu", **PEER_SETTINGS, **rates)  # type: ignore[arg-type]  # mixed

        def judge() -> Evaluation:
            return evaluate(model, evaluation_env, n_episodes=N_EPISODES, seed=evaluation_seed(seed))

        try:
            return follow(model, judge, total_steps, interval, until_solved)
        finally:
            env.close()
            evaluation_env.close()

    return learner


def follow(
    model: BaseAlgorithm, judge: Callable[[], Evaluation], total_steps: int, interval: int, until_solved: bool
) -> Run:
    """Learns all steps or until it is solved, with an evaluation at every interval whose time does not count."""
    points: Run = []
    started, judging = time.process_time(), 0.0

    def timed() -> Evaluation:
        nonlocal judging
        before = time.process_time()
        evaluation = judge()
        judging += time.process_time() - before
        return evaluation

    def keep(evaluated: EvaluatedStep) -> None:
        episode_return = number(evaluated.evaluation.episode_return)
        assert episode_return is not None
        points.append(Point(evaluated.step, episode_return, time.process_time() - started - judging))

    callbacks: list[BaseCallback] = [EvaluationCallback(timed, interval, total_steps, keep)]
    if until_solved:
        callbacks.append(StopWhen(lambda: first_solved(points) is not None))
    model.learn(total_steps, callbacks)
    return points


class StopWhen(BaseCallback):
    """Ends learning at the first step at which something is so."""

    def __init__(self, is_so: Callable[[], bool]) -> None:
        super().__init__()
        self.is_so = is_so

    def _on_step(self) -> bool:
        return not self.is_so()


def first_solved(run: Run) -> Point | None:
    """The first evaluation with a mean return that counts as solved."""
    return next((point for point in run if point.episode_return >= SOLVED), None)


def learners_table(runs: Mapping[str, list[Run]]) -> str:
    """Markdown, one row for each learner: medians over its seeds with least and most."""
    lines = [
        f"| learner | {SOLVED:.0f} reached | {SOLVED:.0f} at the end | steps to {SOLVED:.0f} | CPU s to {SOLVED:.0f} "
        "| CPU s of all steps |",
        "|---|---|---|---|---|---|",
    ]
    for name, of_seeds in runs.items():
        reached = [point for run in of_seeds if (point := first_solved(run)) is not None]
        at_end = sum(run[-1].episode_return >= SOLVED for run in of_seeds)
        cells = [
            f"{len(reached)} of {len(of_seeds)}",
            f"{at_end} of {len(of_seeds)}",
            spread([point.step for point in reached], ",.0f"),
            spread([point.seconds for point in reached], ".1f"),
            spread([run[-1].seconds for run in of_seeds], ".1f"),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def seeds_table(runs: Mapping[str, list[Run]]) -> str:
    """Markdown, one row for each seed: the mean return at each evaluation after the first step."""
    steps = [point.step for point in next(iter(runs.values()))[0][1:]]
    lines = [f"| learner | seed | {' | '.join(f'{step:,}' for step in steps)} |", "|---" * (2 + len(steps)) + "|"]
    for name, of_seeds in runs.items():
        for seed, run in enumerate(of_seeds):
            returns = " | ".join(f"{point.episode_return:.0f}" for point in run[1:])
            lines.append(f"| {name} | {seed} | {returns} |")
    return "\n".join(lines) + "\n"


def spread(values: Sequence[float], form: str) -> str:
    """Median [least, most], or a dash for nothing."""
    return f"{np.median(values):{form}} [{min(values):{form}}, {max(values):{form}}]" if values else "-"


if __name__ == "__main__":
    main()
