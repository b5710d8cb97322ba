"""Steps PatternEcho as Stable-Baselines3 sees it: its own `DummyVecEnv` with `Monitor`, or `BatchVecEnv`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

from benchmarks.peers.contestants.stepping import stepping_turn
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env


def start(arguments: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """`id`, `n_envs`, and `vec_env`: `dummy` or `batch`."""
    n_envs = arguments["n_envs"]
    env = vec_env(arguments["vec_env"], arguments["id"], n_envs, seed=0)
    env.reset()
    actions = itertools.cycle(list(np.random.default_rng(0).integers(8, size=(64, n_envs))))
    return stepping_turn(lambda: env.step(next(actions)), n_envs)


def vec_env(kind: str, env_id: str, n_envs: int, seed: int, **kwargs: Any) -> VecEnv:
    """What Stable-Baselines3 is given to step."""
    if kind == "dummy":
        return make_vec_env(env_id, n_envs, seed=seed, env_kwargs=kwargs)
    return make_batch_vec_env(env_id, n_envs, seed=seed, **kwargs)
