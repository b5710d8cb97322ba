"""Logs the components of the reward vector, where the environments tell them."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from wmil_envs.reward import RewardVector


class RewardComponents(BaseCallback):
    """Records `reward/goal`, `reward/pred` and `reward/cons`: means over the steps since the last record.

    The environments tell them in `info["vector_reward"]` when they are made with `info="full"`; where they do not,
    nothing is recorded.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sum = np.zeros(len(RewardVector._fields))
        self._n = 0
        self._are_told = True

    def state_dict(self) -> dict[str, Any]:
        """Nothing: between two rollouts it holds nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""

    def _on_step(self) -> bool:
        if self._are_told:
            vectors = [info["vector_reward"] for info in self.locals["infos"] if "vector_reward" in info]
            self._are_told = bool(vectors)
            self._sum += np.sum(vectors, axis=0) if vectors else 0.0
            self._n += len(vectors)
        return True

    def _on_rollout_end(self) -> None:
        if self._n:
            for name, total in zip(RewardVector._fields, self._sum, strict=True):
                self.logger.record_mean(f"reward/{name}", total / self._n)
            self._sum, self._n = np.zeros_like(self._sum), 0
