"""CPU seconds of a whole 10,000-step run on PatternEcho, inside `learn()`."""

from __future__ import annotations

import statistics
import time

import gymnasium as gym
import torch

from benchmarks.figure import Figure
from benchmarks.program import run_program
from wmil_agents import REINFORCE, BatchVecEnv, WorldModelLoss, attach

ID = "wmil_envs:WMIL/PatternEcho-v0"
N_STEPS, N_ENVS = 10_000, 8
BOUND = 8.0
"""CPU seconds; 5 is the stretch."""


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    torch.set_num_threads(1)
    n_runs = 2 if short else 7
    figures = []
    for label, with_world_model in (("policy alone", False), ("world model attached", True)):
        seconds = [learning_seconds(seed, with_world_model) for seed in range(n_runs)]
        name = f"REINFORCE, 2 x 64 transformer, {label}: {N_STEPS:,} steps, {N_ENVS} envs, inside learn()"
        low, high = min(seconds), max(seconds)
        figures.append(
            Figure(name, statistics.median(seconds), "CPU s", BOUND, "less", low, high, n_runs, "least and most")
        )
    return figures


def learning_seconds(seed: int, with_world_model: bool) -> float:
    """CPU time of one run."""
    model = REINFORCE("TransformerPolicy", BatchVecEnv(gym.make_vec(ID, num_envs=N_ENVS)), seed=seed)
    if with_world_model:
        attach(model, [WorldModelLoss()])
    start = time.process_time()
    model.learn(N_STEPS)
    return time.process_time() - start


if __name__ == "__main__":
    run_program("benchmarks.speed.training", measure, __doc__)
