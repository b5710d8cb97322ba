"""A replay buffer without the transitions that nobody judged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer

from wmil_agents.vec_env.unjudged import unjudged_rows


class JudgedReplay(ReplayBuffer):
    """Mixin for a replay buffer: a transition without a verdict is not stored.

    A buffer has a place for every environment in every step. That of such a transition is taken by another
    environment's of the same step; where there is none, the step is not stored at all.
    """

    def add(
        self,
        obs: Any,
        next_obs: Any,
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Stores the judged transitions of a step."""
        unjudged = unjudged_rows(infos)
        if unjudged is None:
            super().add(obs, next_obs, action, reward, done, infos)
            return
        judged = np.flatnonzero(~unjudged)
        if len(judged):
            rows = np.arange(len(unjudged))
            rows[unjudged] = np.resize(judged, len(unjudged) - len(judged))
            kept = [infos[row] for row in rows.tolist()]
            super().add(rows_of(obs, rows), rows_of(next_obs, rows), action[rows], reward[rows], done[rows], kept)


def rows_of(observations: Any, rows: Any) -> Any:
    """These rows of a batch of observations."""
    if isinstance(observations, dict):
        return {name: values[rows] for name, values in observations.items()}
    return observations[rows]
