"""The reward as a vector, for multi-objective learners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper

from wmil_envs.reward import RewardVector

if TYPE_CHECKING:
    _VectorWrapper = VectorWrapper[Any, Any, Any, Any, Any]
else:
    _VectorWrapper = VectorWrapper  # no generic class before Gymnasium 1.4


def _reward_space() -> spaces.Box[Any]:
    return spaces.Box(0.0, 1.0, (len(RewardVector._fields),), dtype=np.float64)


def _require_full_info(env: Any) -> None:
    world = getattr(env.unwrapped, "world", None)
    if world is None or world.info != "full":
        raise ValueError('the reward vector travels in the infos: make the env with info="full"')


class VectorReward(gym.Wrapper[Any, Any, Any, Any]):
    """Returns (goal, pred, cons) as the reward (3,), and says so in `reward_space`, as MO-Gymnasium does.

    Raises:
        ValueError: the env was not made with `info="full"`.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        _require_full_info(env)
        super().__init__(env)
        self.reward_space = _reward_space()

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        obs, _, terminated, truncated, info = self.env.step(action)
        return obs, info["vector_reward"], terminated, truncated, info


class BatchVectorReward(_VectorWrapper):
    """`VectorReward` for vector envs: the rewards are (num_envs, 3).

    Raises:
        ValueError: the env was not made with `info="full"`.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        _require_full_info(env)
        super().__init__(env)
        self.reward_space = _reward_space()

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        obs, rewards, terminations, truncations, infos = self.env.step(actions)
        vectors = infos.get("vector_reward", np.zeros((len(rewards), len(RewardVector._fields))))
        return obs, vectors, terminations, truncations, infos
