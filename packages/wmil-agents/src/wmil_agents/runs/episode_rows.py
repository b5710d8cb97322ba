"""Steps of many environments, kept as they come and handed on as whole episodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Layout = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
"""Of one row of each array: its shape and its type."""

ENDED, ENV, STEP = "ended", "env", "step"
"""Columns that every row has besides: whether its episode ended there, its environment, steps taken after it."""


@dataclass(frozen=True)
class WholeEpisodes:
    """Rows in order: episode after episode, each with its steps."""

    rows: Arrays
    """(steps, ...)."""
    starts: NDArray[np.int64]
    """(episodes + 1,)."""


class StepGrid:
    """Room for some steps of all environments.

    Args:
        layout: of one row of each column.
        n_steps: how many steps of every environment there is room for.
        n_envs: how many environments.
    """

    def __init__(self, layout: Layout, n_steps: int, n_envs: int) -> None:
        self.columns = {name: np.zeros((n_steps, n_envs, *shape), dtype) for name, (shape, dtype) in layout.items()}
        self.columns[ENDED] = np.zeros((n_steps, n_envs), np.bool_)
        self.columns[STEP] = np.zeros((n_steps, n_envs), np.int64)
        self.n_steps, self.n_envs = n_steps, n_envs
        self.n_filled = 0

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another step."""
        return self.n_filled == self.n_steps

    def row(self, name: str) -> NDArray[Any]:
        """Where to write a column (n_envs, ...) of the step that comes."""
        place: NDArray[Any] = self.columns[name][self.n_filled]
        return place

    def taken(self) -> Arrays:
        """The rows (steps x n_envs, ...) so far, in the order of time; there is room for as many again."""
        filled, self.n_filled = self.n_filled, 0
        rows = {
            name: column[:filled].reshape(filled * self.n_envs, *column.shape[2:]).copy()
            for name, column in self.columns.items()
        }
        rows[ENV] = np.tile(np.arange(self.n_envs), filled)
        return rows


def joined(first: Arrays | None, second: Arrays) -> Arrays:
    """The rows of both."""
    if first is None or not len(first[ENV]):
        return second
    return {name: np.concatenate([first[name], rows]) for name, rows in second.items()}


def whole_episodes(rows: Arrays, every: int = 1, next_number: int = 0) -> tuple[WholeEpisodes, Arrays, int]:
    """The episodes that have ended among rows in the order of time, the rows of those that have not, how many ended.

    Episodes are in the order of their ends, those of one step in the order of their environments.

    Args:
        rows: columns with `ENDED`, `ENV` and `STEP`.
        every: of the episodes that are numbered from `next_number`, keep those whose number is a multiple of this.
        next_number: the number of the first to end.
    """
    ended, n_rows = rows[ENDED], len(rows[ENV])
    if every == 1 and n_rows and np.count_nonzero(ended) == n_rows:  # one-step episodes, in order as they are
        return WholeEpisodes(rows, np.arange(n_rows + 1)), {name: column[:0] for name, column in rows.items()}, n_rows
    by_env = np.argsort(rows[ENV], kind="stable")
    ends = np.flatnonzero(ended[by_env])  # places in that order
    starts = np.zeros(len(ends), np.int64)
    if len(ends):
        env_of_end = rows[ENV][by_env[ends]]
        first_of_env = np.searchsorted(rows[ENV][by_env], env_of_end)
        starts[1:] = ends[:-1] + 1
        starts = np.maximum(starts, first_of_env)
    in_time = np.argsort(by_env[ends], kind="stable")
    starts, ends = starts[in_time], ends[in_time]
    is_whole = np.zeros(n_rows, np.bool_)
    is_whole[by_env[_ranges(starts, ends + 1 - starts)]] = True
    left = {name: column[~is_whole] for name, column in rows.items()}
    kept = (next_number + np.arange(len(ends))) % every == 0
    starts, lengths = starts[kept], (ends - starts)[kept] + 1
    order = by_env[_ranges(starts, lengths)]
    episodes = {name: column[order] for name, column in rows.items()}
    return WholeEpisodes(episodes, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)), left, len(ends)


def without_first_ends(rows: Arrays, skipped: NDArray[np.bool_]) -> tuple[Arrays, NDArray[np.bool_]]:
    """The rows without those of episodes whose beginning was missed, and where there still is such an episode.

    Args:
        rows: in the order of time.
        skipped: (n_envs,) where the rows up to the first end belong to such an episode.
    """
    if not skipped.any():
        return rows, skipped
    kept, left = np.ones(len(rows[ENV]), np.bool_), skipped.copy()
    for env in np.flatnonzero(skipped).tolist():
        own = np.flatnonzero(rows[ENV] == env)
        ends = np.flatnonzero(rows[ENDED][own])
        kept[own[: ends[0] + 1] if len(ends) else own] = False
        left[env] = not len(ends)
    return {name: column[kept] for name, column in rows.items()}, left


def named_parts(name: str, batch: Any) -> dict[str, Any]:
    """A batch under its name; that of a `Dict` space entry by entry."""
    return {f"{name}/{key}": rows for key, rows in batch.items()} if isinstance(batch, Mapping) else {name: batch}


def space_layout(name: str, space: spaces.Space[Any]) -> Layout:
    """Shape and type of what is kept of one element of a space.

    Raises:
        ValueError: the space is none of numbers.
    """
    match space:
        case spaces.Dict():
            entries = [space_layout(f"{name}/{key}", entry) for key, entry in space.items()]
            return {key: row for entry in entries for key, row in entry.items()}
        case spaces.Box():
            return {name: (space.shape, np.dtype(space.dtype))}
        case spaces.Discrete():
            return {name: ((), _smallest(int(space.start), int(space.start + space.n) - 1))}
        case spaces.MultiDiscrete():
            start = np.broadcast_to(getattr(space, "start", 0), space.nvec.shape)
            return {name: (space.shape, _smallest(int(start.min()), int((start + space.nvec).max()) - 1))}
        case spaces.MultiBinary():
            return {name: (space.shape or (), np.dtype(np.uint8))}
    raise ValueError(f"an episode log keeps numbers, and {space} has others")


def _smallest(low: int, high: int) -> np.dtype[Any]:
    """The smallest integers that hold both."""
    kinds = (np.uint8, np.uint16, np.uint32, np.uint64) if low >= 0 else (np.int8, np.int16, np.int32, np.int64)
    return next(np.dtype(kind) for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)


def _ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """starts[0], starts[0] + 1, ... (lengths[0] of them), then those of the next."""
    if not len(starts):
        return np.zeros(0, np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    ranges: NDArray[np.int64] = np.arange(int(lengths.sum())) + np.repeat(starts - offsets, lengths)
    return ranges
