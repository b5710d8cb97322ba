"""The space of short histories: the last observations, each with the action that led there."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from wmil_envs.integer import checked_integer


class HistorySpace(spaces.Dict):
    """The last `length` pairs of an observation and the action before it, the oldest first and the newest last.

    | entry | holds |
    |---|---|
    | `observation` (length, d) | the observations, each flattened, categories as integers |
    | `observation_mask` (length,) | 1 where there is one; only the first rows, of a young episode, have none |
    | `action` (length, a) | the action that led to each |
    | `action_mask` (length,) | 1 where there was one: nothing led to an episode's first observation |

    A row that its mask leaves out holds 0. All entries are boxes or binary, so that any code for `Dict` observations
    takes them; what the numbers mean is in `observation_space` and `action_space`.

    Args:
        observation_space: of one observation: Box, Discrete, MultiDiscrete or MultiBinary.
        action_space: of one action, one of the same kinds.
        length: how many pairs; at least 2, or there would be no history.
    """

    def __init__(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], length: int) -> None:
        checked_integer("the length of a history", length, at_least=2)
        super().__init__(
            {
                "observation": _rows(observation_space, length),
                "observation_mask": spaces.MultiBinary(length),
                "action": _rows(action_space, length),
                "action_mask": spaces.MultiBinary(length),
            }
        )
        self.observation_space = observation_space
        self.action_space = action_space
        self.length = length


def _rows(space: spaces.Space[Any], length: int) -> spaces.Box:
    """The box that holds `length` flattened elements of a space, or 0 in their place."""
    low: Any
    high: Any
    match space:
        case spaces.Box():
            low, high = np.minimum(space.low.reshape(-1), 0), np.maximum(space.high.reshape(-1), 0)
        case spaces.Discrete() if space.start == 0:
            low, high = np.zeros(1), np.array([space.n - 1])
        case spaces.MultiDiscrete() if not np.any(space.start):
            high = space.nvec.reshape(-1) - 1
            low = np.zeros_like(high)
        case spaces.MultiBinary():
            high = np.ones(int(np.prod(space.shape)))
            low = np.zeros_like(high)
        case _:
            raise ValueError(
                f"there is no history of {space}: give a Box, or Discrete, MultiDiscrete or MultiBinary from 0 on"
            )
    dtype: Any = space.dtype
    stacked = [np.repeat(np.asarray(limit, dtype)[None], length, axis=0) for limit in (low, high)]
    return spaces.Box(stacked[0], stacked[1], dtype=dtype)
