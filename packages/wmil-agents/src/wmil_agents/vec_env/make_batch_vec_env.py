"""A registered environment as a `BatchVecEnv`, by its id."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from wmil_agents.vec_env.batch_vec_env import BatchVecEnv, autoreset_mode
from wmil_envs.integer import checked_integer


def make_batch_vec_env(id: str, num_envs: int = 1, seed: int | None = None, **kwargs: Any) -> BatchVecEnv:
    """The environment of that id, many times over, for Stable-Baselines3.

    The id's own vector environment where it has one that resets within the step; else Gymnasium's `SyncVectorEnv`.

    Args:
        id: a registered id, `"module:id"` to import a module first.
        num_envs: how many environments, at least 1.
        seed: environment i gets the seed `seed + i` at the first reset.
        kwargs: passed on to the environment.

    Raises:
        ValueError: fewer than one environment was asked for.
    """
    checked_integer("num_envs", num_envs, at_least=1)
    env = gym.make_vec(id, num_envs=num_envs, **kwargs)
    if autoreset_mode(env) is AutoresetMode.NEXT_STEP:
        env.close()
        same_step = {"autoreset_mode": AutoresetMode.SAME_STEP}
        env = gym.make_vec(id, num_envs=num_envs, vectorization_mode="sync", vector_kwargs=same_step, **kwargs)
    batch = BatchVecEnv(env)
    if seed is not None:
        batch.seed(seed)
    return batch
