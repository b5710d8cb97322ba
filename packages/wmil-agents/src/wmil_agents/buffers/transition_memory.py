"""A memory of what followed each distinct observation and action."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmil_agents.buffers.keyed_ring import KeyedRing, keys_of

Arrays = NDArray[Any] | dict[str, NDArray[Any]]

GROUP_SIZE = 4
"""Pairs drawn for one observation, at most, so that a network has to run on a quarter of the rows only."""


@dataclass(frozen=True)
class Remembered:
    """Transitions drawn from a memory."""

    observations: Arrays
    """(m, ...) those that were drawn, fewer than transitions where several begin with one."""
    origin: NDArray[np.intp]
    """(n,) the row of `observations` that each transition begins with."""
    actions: NDArray[Any]
    """(n, ...)."""
    next_observations: Arrays
    """(n, ...)."""


class TransitionMemory:
    """The latest outcome of every distinct (observation, action) pair seen, sampled evenly over the pairs.

    A policy that has learnt to act shows a world model nothing but right answers, and a model that sees nothing else
    forgets what the others lead to. Pairs, not steps, are what a world is made of: a symbolic one has few of them, and
    each then weighs the same however often it was tried. A pair's newest outcome replaces the one before, so that a
    pair with random outcomes is remembered as often with each as they occur.

    Pairs are drawn in groups with the same observation, so that features of it are computed once for all of them; a
    group has as many pairs as observations have on average, rounded down, and `group_size` at most. So where no
    observation comes twice every pair is drawn by itself. In any case every pair is drawn as often as any other.

    Args:
        capacity: Pairs to remember; beyond it the pair that came first is forgotten.
        seed: Of the draws; None for a fresh one.
        group_size: Pairs drawn for one observation, at most.
    """

    def __init__(self, capacity: int = 4096, seed: int | None = None, group_size: int = GROUP_SIZE) -> None:
        for name, number in (("capacity", capacity), ("group_size", group_size)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, not {number}")
        self.capacity, self.group_size = capacity, group_size
        self._rng = np.random.default_rng(seed)
        self._ring = KeyedRing(capacity)
        self._rows_of: dict[bytes, list[int]] = {}
        """The rows of each observation, in ascending order."""
        self._n_action_bytes = 0
        self._columns: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._ring)

    def add(self, observations: Arrays, actions: NDArray[Any], next_observations: Arrays) -> None:
        """Remembers a batch of steps, one per row."""
        batch = {"actions": actions, **_flat("observations", observations)}
        keys = keys_of(list(batch.values()))
        batch |= _flat("next_observations", next_observations)
        if not self._columns:
            self._columns = {
                name: np.zeros((self.capacity, *rows.shape[1:]), dtype=rows.dtype) for name, rows in batch.items()
            }
            self._n_action_bytes = self._columns["actions"][0].nbytes
        rows = [self._row(key) for key in keys]
        for name, column in self._columns.items():
            column[rows] = batch[name]

    def sample(self, n: int) -> Remembered:
        """`n` transitions, each of a pair that was drawn from all, in groups with the same observation."""
        size = min(self.group_size, len(self) // len(self._rows_of))
        first = self._rng.integers(len(self), size=-(-n // size))
        origin = np.arange(n) // size
        rows = first if size == 1 else np.array([self._group(row, size) for row in first.tolist()]).ravel()[:n]
        return Remembered(
            _nested("observations", {name: column[first] for name, column in self._columns.items()}),
            origin,
            self._columns["actions"][rows],
            _nested("next_observations", {name: column[rows] for name, column in self._columns.items()}),
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything remembered, as arrays, and the generator's state, as plain data."""
        columns = {name: column[: len(self)].copy() for name, column in self._columns.items()}
        return {"columns": columns, "next_row": self._ring.next_row, "generator": self._rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        columns: dict[str, NDArray[Any]] = state["columns"]
        n_rows = len(columns["actions"]) if columns else 0
        if n_rows > self.capacity:
            raise ValueError(f"{n_rows} pairs do not fit into a memory of {self.capacity}")
        self._columns = {}
        for name, rows in columns.items():
            self._columns[name] = np.zeros((self.capacity, *rows.shape[1:]), dtype=rows.dtype)
            self._columns[name][:n_rows] = rows
        known = [column[:n_rows] for name, column in self._columns.items() if not name.startswith("next_")]
        self._ring.restore(keys_of(known) if known else [], int(state["next_row"]))
        self._n_action_bytes = columns["actions"].itemsize * columns["actions"][:1].size if columns else 0
        self._rows_of = {}
        for row, key in enumerate(self._ring.keys):
            self._rows_of.setdefault(self._observation(key), []).append(row)
        self._rng.bit_generator.state = state["generator"]

    def _row(self, key: bytes) -> int:
        """The row of a pair: its own, else a new one, else that of the oldest pair."""
        row = self._ring.row_of(key)
        if row is not None:
            return row
        row, forgotten = self._ring.add(key)
        if forgotten is not None:
            self._forget(row, self._observation(forgotten))
        insort(self._rows_of.setdefault(self._observation(key), []), row)
        return row

    def _forget(self, row: int, observation: bytes) -> None:
        """Takes a row from those of an observation."""
        beside = self._rows_of[observation]
        beside.remove(row)
        if not beside:
            del self._rows_of[observation]

    def _group(self, row: int, size: int) -> list[int]:
        """So many rows with the observation of this one: it and those that follow, the first after the last."""
        beside = self._rows_of[self._observation(self._ring.keys[row])]
        place = beside.index(row)
        return [beside[(place + number) % len(beside)] for number in range(size)]

    def _observation(self, key: bytes) -> bytes:
        """The part of a pair's key that is its observation's."""
        return key[self._n_action_bytes :]


def _flat(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """One array per entry of a dict observation, by a name that says where it belongs."""
    if isinstance(arrays, dict):
        return {f"{prefix}/{name}": rows for name, rows in arrays.items()}
    return {prefix: arrays}


def _nested(prefix: str, flat: dict[str, NDArray[Any]]) -> Arrays:
    """What `_flat` took apart."""
    if prefix in flat:
        return flat[prefix]
    return {name.removeprefix(f"{prefix}/"): rows for name, rows in flat.items() if name.startswith(f"{prefix}/")}
