"""A curriculum: which level the next episode has."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.int64]


class Curriculum(ABC):
    """Chooses levels and hears how the episodes went; one object serves all envs of a vector env.

    Its randomness is passed in, so that the choice for an episode does not depend on how many envs share it.
    """

    adaptive: ClassVar[bool] = True
    """Whether `update` changes what `sample` returns."""

    def __init__(self, n_levels: int) -> None:
        if n_levels < 1:
            raise ValueError(f"a curriculum needs at least 1 level, not {n_levels}")
        self.n_levels = n_levels
        self._process = os.getpid()

    @abstractmethod
    def sample(self, uniforms: npt.NDArray[np.float64]) -> Levels:
        """The levels (n,) of n new episodes, from random numbers (n,) in [0, 1)."""

    def update(self, levels: Levels, scores: npt.NDArray[np.float64]) -> None:
        """Hear of finished episodes: their levels (n,) and their share of right answers (n,), in order."""
        self._check_process()

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything it has learnt, as plain data."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what another curriculum of the same kind has learnt."""

    def _check_process(self) -> None:
        if self.adaptive and os.getpid() != self._process:
            raise RuntimeError(
                f"{type(self).__name__} learns from every episode, and a copy in another process would hear only of "
                "its own. Step the envs in one process: gym.make_vec(id, num_envs=n) shares one curriculum."
            )

    def __getstate__(self) -> dict[str, Any]:
        if self.adaptive:
            raise TypeError(
                f"{type(self).__name__} learns from every episode and cannot be copied into another process or env. "
                "Step the envs in one process: gym.make_vec(id, num_envs=n) shares one curriculum."
            )
        return self.__dict__
