"""What a world model predicts: which columns of an observation, categories or numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from gymnasium import spaces

from wmil_agents.extractors.tokenize import MASK_SUFFIX
from wmil_agents.vec_env.history_space import HistorySpace
from wmil_envs.attribute import AttributeSpace


@dataclass(frozen=True)
class Column:
    """One predicted attribute: a column of the observation, or of an entry of a `Dict` observation."""

    name: str
    n_values: int
    """How many values a category has; 0 for a number."""
    index: int
    """Which column."""
    entry: str | None = None
    """Of which entry; None where the observation is one array."""
    predictable: bool = True
    """Whether state and action decide it, or nobody knows."""


def predicted_columns(space: spaces.Space[Any], predictable_only: bool, entry: str | None = None) -> tuple[Column, ...]:
    """The columns of an observation space that a model can predict, in order.

    Left out are whole numbers in boxes (pictures), sets with a mask, whose absent rows may hold anything, and, on
    request, attributes that are not predictable. Of a history the newest observation is predicted.
    """
    prefix = "" if entry is None else entry
    match space:
        case HistorySpace():
            rows = space["observation"]
            assert isinstance(rows, spaces.Box)
            first = (space.length - 1) * rows.shape[1]
            newest = predicted_columns(space.observation_space, predictable_only)
            return tuple(replace(column, index=first + column.index, entry="observation") for column in newest)
        case spaces.Dict():
            return tuple(
                column
                for name, part in space.items()
                if not (isinstance(part, spaces.Box) and name + MASK_SUFFIX in space.spaces)
                for column in predicted_columns(part, predictable_only, name)
            )
        case spaces.Discrete():
            return (Column(prefix or "observation", int(space.n), 0, entry),)
        case AttributeSpace():
            return tuple(
                Column(attribute.name, attribute.n_values, index, entry, attribute.predictable)
                for index, attribute in enumerate(space.attributes)
                if attribute.predictable or not predictable_only
            )
        case spaces.MultiDiscrete():
            sizes = space.nvec.flatten().tolist()
        case spaces.MultiBinary():
            sizes = [2] * int(np.prod(space.shape))
        case spaces.Box() if np.issubdtype(space.dtype, np.floating):
            sizes = [0] * int(np.prod(space.shape))
        case _:
            return ()
    return tuple(Column(f"{prefix}{index}", int(size), index, entry) for index, size in enumerate(sizes))
