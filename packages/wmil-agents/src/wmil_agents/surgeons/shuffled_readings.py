"""A control that cuts the surgeon's eyes off: what it reads of the heads is that of another moment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from wmil_agents.surgeons.surgeon import Operation, surgery_in
from wmil_agents.surgeons.surgery_env import Action, View

N_REMEMBERED = 1_000


class ShuffledReadings(gym.ObservationWrapper[View, Action, View]):
    """Readings are exchanged for those of an earlier observation, drawn by chance; all else is left.

    They have the same distribution and say nothing. A surgeon that repairs as well with them did not need to see.

    Args:
        env: a `SurgeryEnv`.
        seed: of the draws.
    """

    def __init__(self, env: Operation, seed: int = 0) -> None:
        super().__init__(env)
        self._rng = np.random.default_rng(seed)
        self._n_readings = len(surgery_in(env).readings.names)
        self._remembered: list[Any] = []

    def observation(self, observation: View) -> View:
        """The observation with readings of another moment."""
        now = observation[: self._n_readings].copy()
        if len(self._remembered) < N_REMEMBERED:
            self._remembered.append(now)
            place = int(self._rng.integers(len(self._remembered)))
            drawn = self._remembered[place]
        else:
            place = int(self._rng.integers(N_REMEMBERED))
            drawn, self._remembered[place] = self._remembered[place], now
        return np.concatenate([drawn, observation[self._n_readings :]])
