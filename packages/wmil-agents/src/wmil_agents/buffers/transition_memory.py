"""A memory of what followed each distinct observation and action."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = NDArray[Any] | dict[str, NDArray[Any]]


class TransitionMemory:
    """The latest outcome of every distinct (observation, action) pair seen, sampled evenly over the pairs.

    A policy that has learnt to act shows a world model nothing but right answers, and a model that sees nothing else
    forgets what the others lead to. Pairs, not steps, are what a world is made of: a symbolic one has few of them, and
    each then weighs the same however often it was tried. A pair's newest outcome replaces the one before, so that a
    pair with random outcomes is remembered as often with each as they occur.

    Args:
        capacity: Pairs to remember; beyond it the pair that came first is forgotten.
        seed: Of the draws; None for a fresh one.
    """

    def __init__(self, capacity: int = 4096, seed: int | None = None) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self.capacity = capacity
        self._rng = np.random.default_rng(seed)
        self._row_of: dict[bytes, int] = {}
        self._key_at: list[bytes] = []
        self._next_row = 0
        self._columns: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._key_at)

    def add(self, observations: Arrays, actions: NDArray[Any], next_observations: Arrays) -> None:
        """Remembers a batch of steps, one per row."""
        batch = {"actions": actions, **_flat("observations", observations)}
        keys = _keys(list(batch.values()))
        batch |= _flat("next_observations", next_observations)
        if not self._columns:
            self._columns = {
                name: np.zeros((self.capacity, *rows.shape[1:]), dtype=rows.dtype) for name, rows in batch.items()
            }
        rows = [self._row(key) for key in keys]
        for name, column in self._columns.items():
            column[rows] = batch[name]

    def sample(self, n: int) -> tuple[Arrays, NDArray[Any], Arrays]:
        """Observations, actions and next observations of `n` pairs drawn with replacement."""
        rows = self._rng.integers(len(self), size=n)
        drawn = {name: column[rows] for name, column in self._columns.items()}
        return _nested("observations", drawn), drawn["actions"], _nested("next_observations", drawn)

    def state_dict(self) -> dict[str, Any]:
        """Everything remembered, as arrays, and the generator's state, as plain data."""
        columns = {name: column[: len(self)].copy() for name, column in self._columns.items()}
        return {"columns": columns, "next_row": self._next_row, "generator": self._rng.bit_generator.state}

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
        self._key_at = _keys(known) if known else []
        self._row_of = {key: row for row, key in enumerate(self._key_at)}
        self._next_row = int(state["next_row"])
        self._rng.bit_generator.state = state["generator"]

    def _row(self, key: bytes) -> int:
        """The row of a pair: its own, else a new one, else that of the oldest pair."""
        row = self._row_of.get(key)
        if row is not None:
            return row
        row = self._next_row
        if len(self) < self.capacity:
            self._key_at.append(key)
        else:
            del self._row_of[self._key_at[row]]
            self._key_at[row] = key
        self._row_of[key] = row
        self._next_row = (row + 1) % self.capacity
        return row


def _keys(columns: list[NDArray[Any]]) -> list[bytes]:
    """The bytes of each row, of one column after another."""
    parts = [np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8) for rows in columns]
    together = np.concatenate(parts, axis=1)
    rows: Any = together.view(np.dtype((np.void, together.shape[1]))).ravel()
    keys: list[bytes] = rows.tolist()
    return keys


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
