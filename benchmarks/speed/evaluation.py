"""How long the exact evaluation of a policy takes, 1,024 cells (32 instances, 32 actions), one-step episodes."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks.figure import Figure
from benchmarks.measure import microseconds_per_call
from benchmarks.program import run_program
from benchmarks.speed.environments import time_figure
from wmil_envs.exact_value import table_value

BOUND = 10.0


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    env: Any = gym.make("wmil_envs:WMIL/PatternEcho-v0", n_symbols=32).unwrapped
    bank, level = env.bank, env.world.level
    scores = np.random.default_rng(0).normal(size=(bank.n_instances, bank.n_actions))
    assert scores.size == 1024
    table = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    timings = microseconds_per_call({"table": lambda: table_value(bank, table, level)}, 9 if short else 41)
    label = "Exact evaluation of a policy table: success, return, entropy; 1,024 cells"
    return [time_figure(label, timings["table"], BOUND)]


if __name__ == "__main__":
    run_program("benchmarks.speed.evaluation", measure, __doc__)
