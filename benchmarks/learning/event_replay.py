"""Steps, and CPU time inside `learn()`, to 95 % exact success on PatternEcho with event replay and without."""

from __future__ import annotations

import statistics
import time
from typing import Any

import gymnasium as gym
import numpy as np
import torch

from benchmarks.figure import Figure
from benchmarks.learning.pattern_echo import ENV_ID, N_ENVS, ExactSuccess, median_interval
from benchmarks.program import run_program
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

GIVE_UP_STEPS = 5_000
SEEDS, SHORT_SEEDS = 200, 20
MILLISECONDS = 90.0
LEARNERS: dict[str, tuple[dict[str, Any], float, float]] = {
    "event replay": ({"event_replay": True}, 115.0, 200.0),
    "no replay": ({}, 190.0, 500.0),
}
"""Arguments of REINFORCE, bound on the median's upper limit, bound on the 99th percentile."""


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    torch.set_num_threads(1)
    n_seeds = SHORT_SEEDS if short else SEEDS
    note = f"short form, the figure asks for {SEEDS} seeds" if short else "seeds"
    figures = []
    for name, (arguments, median_bound, percentile_bound) in LEARNERS.items():
        runs = [steps_and_milliseconds(seed, arguments) for seed in range(n_seeds)]
        steps = [float(n_steps) for n_steps, _ in runs]
        median, low, high = median_interval(steps)
        task = f"PatternEcho, {name}"
        figures += [
            Figure(f"{task}: median steps to 95 %", median, "steps", None, "less", low, high, n_seeds),
            Figure(f"{task}: upper 95 % limit of that", high, "steps", median_bound, repeats=n_seeds, note=note),
            Figure(
                f"{task}: 99th percentile of steps to 95 %",
                float(np.quantile(steps, 0.99)),
                "steps",
                percentile_bound,
                repeats=n_seeds,
                note=note,
            ),
            Figure(
                f"{task}: CPU time to 95 % inside learn(), callback and default logger on",
                statistics.median(milliseconds for _, milliseconds in runs),
                "ms",
                MILLISECONDS if name == "event replay" else None,
                repeats=n_seeds,
            ),
        ]
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
