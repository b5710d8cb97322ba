"""Steps, and CPU time inside `learn()`, to 95 % exact success on PatternEcho with event replay and without."""

from __future__ import annotations

import statistics
import time
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from benchmarks.figure import Figure
from benchmarks.learning.pattern_echo import ENV_ID, INTERVAL, N_ENVS, ExactSuccess, median_interval
from benchmarks.program import run_program
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

GIVE_UP_STEPS = 5_000
SEEDS, SHORT_SEEDS = 200, 20
MILLISECONDS = 90.0
LEARNERS: dict[str, dict[str, Any]] = {"event replay": {"event_replay": True}, "policy alone": {}}
"""Arguments of REINFORCE; the steps of the second are those of `benchmarks.learning_figures`."""
MEDIAN_BOUND, PERCENTILE_BOUND = 115.0, 200.0


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    torch.set_num_threads(1)
    n_seeds = SHORT_SEEDS if short else SEEDS
    runs = {
        name: [steps_and_milliseconds(seed, arguments) for seed in range(n_seeds)]
        for name, arguments in LEARNERS.items()
    }
    return [*step_figures([float(steps) for steps, _ in runs["event replay"]], short), *time_figures(runs)]


def step_figures(steps: list[float], short: bool) -> list[Figure]:
    """Of event replay, one number for each seed."""
    note = f"short form, the figure asks for {SEEDS} seeds" if short else "seeds"
    median, low, high = median_interval(steps)
    percentile = float(np.quantile(steps, 0.99))
    task, n = "PatternEcho, event replay", len(steps)
    return [
        Figure(f"{task}: median steps to 95 % exact success", median, "steps", None, "less", low, high, n, INTERVAL),
        Figure(f"{task}: upper 95 % bootstrap limit of that median", high, "steps", MEDIAN_BOUND, repeats=n, note=note),
        Figure(
            f"{task}: 99th percentile of steps to 95 %", percentile, "steps", PERCENTILE_BOUND, repeats=n, note=note
        ),
    ]


def time_figures(runs: dict[str, list[tuple[int, float]]]) -> list[Figure]:
    """CPU time inside `learn()`."""
    figures = []
    for name, of_seeds in runs.items():
        times = [time for _, time in of_seeds]
        low, _, high = statistics.quantiles(times, n=4)
        figures.append(
            Figure(
                f"PatternEcho, {name}: CPU time to 95 % inside learn(), callback and default logger on",
                statistics.median(times),
                "ms",
                MILLISECONDS if name == "event replay" else None,
                "less",
                low,
                high,
                len(times),
            )
        )
    return figures


def steps_and_milliseconds(seed: int, arguments: dict[str, Any]) -> tuple[int, float]:
    """One run, stopped when it is there, or at `GIVE_UP_STEPS`; evaluating it exactly is part of the time."""
    env = BatchVecEnv(gym.make_vec(ENV_ID, num_envs=N_ENVS))
    model = REINFORCE("TransformerPolicy", env, seed=seed, device="cpu", **arguments)
    follower = ExactSuccess(stop_when_reached=True)
    start = time.process_time()
    model.learn(GIVE_UP_STEPS, callback=follower)
    milliseconds = (time.process_time() - start) * 1e3
    env.close()
    return GIVE_UP_STEPS if follower.steps is None else follower.steps, milliseconds


if __name__ == "__main__":
    run_program("benchmarks.learning.event_replay", measure, __doc__)
