"""The infos of one batch step without dicts, for learners that read whole arrays."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from wmil_agents.vec_env.infos import StepInfos


class _Nothing(dict[str, Any]):
    """An empty dict that stays empty, since all environments share it; quicker to read than a mapping proxy."""

    def __setitem__(self, key: str, value: Any) -> NoReturn:
        raise TypeError(f'lean infos hold nothing, so {key!r} cannot be written: use BatchVecEnv(env, infos="full")')


NOTHING = _Nothing()


class LeanInfos(list[dict[str, Any]]):
    """One empty dict for all environments, and the arrays that tell everything.

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
