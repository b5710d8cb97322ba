"""Steps a Gymnasium vector environment with random actions drawn before."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks.peers.contestants.stepping import stepping_turn


def start(arguments: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """`id`, `n_envs`, and `mode`: `vector_entry_point` for the environment's own, `sync` for Gymnasium's."""
    n_envs = arguments["n_envs"]
    env = gym.make_vec(arguments["id"], n_envs, vectorization_mode=arguments["mode"])
    env.reset(seed=0)
    n_actions = int(env.single_action_space.n)  # type: ignore[attr-defined]  # Discrete in every contestant
    actions = itertools.cycle(list(np.random.default_rng(0).integers(n_actions, size=(64, n_envs))))
    return stepping_turn(lambda: env.step(next(actions)), n_envs)
