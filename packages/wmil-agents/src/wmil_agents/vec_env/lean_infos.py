"""The infos of one batch step without dicts, for learners that read whole arrays."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from wmil_agents.vec_env.infos import StepInfos

NOTHING: Mapping[str, Any] = MappingProxyType({})


class LeanInfos(list[Mapping[str, Any]]):
    """One empty mapping for all environments, and the arrays that tell everything.

    Where an episode was cut by a time limit the dict is there, since Stable-Baselines3 bootstraps from it.

    Args:
        arrays: The same step, which makes dicts when asked.
    """

    def __init__(self, arrays: StepInfos) -> None:
        super().__init__([NOTHING] * len(arrays))
        self.arrays = arrays
        if np.count_nonzero(arrays.truncated):
            for index in np.flatnonzero(arrays.truncated).tolist():
                self[index] = arrays[index]

    @property
    def final_observations(self) -> Any:
        """The observations that ended the episodes, one batch; only its rows where an episode ended mean anything."""
        return self.arrays.final_observations
