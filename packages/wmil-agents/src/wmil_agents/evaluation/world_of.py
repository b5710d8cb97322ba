"""The tables behind an environment, where it is one of our finite worlds."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import VecEnv

from wmil_envs.world import World


def world_of(env: gym.Env[Any, Any] | gym.vector.VectorEnv[Any, Any, Any] | VecEnv) -> World | None:
    """The `World` of a single, vector or Stable-Baselines3 environment; None where there is none."""
    if isinstance(env, VecEnv):
        world = env.get_attr("world", 0)[0] if env.has_attr("world") else None
    else:
        world = getattr(env.unwrapped, "world", None)
    return world if isinstance(world, World) else None
