"""Environments for tests of learners, besides the package's own."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


class Walk(gym.Env[Any, Any]):
    """A point on a line that goes where it is told, and should go to 1; episodes of five steps.

    Args:
        longest: step, to either side.
    """

    observation_space = gym.spaces.Box(-9, 9, (2,))

    def __init__(self, longest: float = 1.0) -> None:
        self.action_space = gym.spaces.Box(-longest, longest, (1,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.place, self.n_steps = 0.0, 0
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        self.place, self.n_steps = self.place + float(action[0]), self.n_steps + 1
        return self._obs(), -abs(self.place - 1.0), self.n_steps == 5, False, {}

    def _obs(self) -> Any:
        return np.array([self.place, self.n_steps], dtype=np.float32)


class AllAllowed(gym.Wrapper[Any, Any, Any, Any]):
    """With a mask of eight actions that forbids none."""

    def action_masks(self) -> Any:
        return np.ones(8, dtype=bool)
