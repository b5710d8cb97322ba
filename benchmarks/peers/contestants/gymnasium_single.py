"""Steps one environment of `gym.make` with random actions drawn before, and resets it where an episode ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks.peers.contestants.stepping import stepping_turn


def start(arguments: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """`id`."""
    env = gym.make(arguments["id"])
    env.reset(seed=0)
    n_actions = int(env.action_space.n)  # type: ignore[attr-defined]  # Discrete in every contestant
    actions = itertools.cycle(np.random.default_rng(0).integers(n_actions, size=64).tolist())

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(next(actions))
        if terminated or truncated:
            env.reset()

    return stepping_turn(step, 1)
