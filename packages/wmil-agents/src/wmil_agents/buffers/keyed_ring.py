"""Rows of a memory, by the bytes of what they remember; the oldest is given away where none is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class KeyedRing:
    """Which key has which of `capacity` rows.

    Args:
        capacity: Rows there are.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.next_row = 0
        """The row that the next new key gets."""
        self.keys: list[bytes] = []
        """Of each row, as far as rows are taken."""
        self._row_of: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def row_of(self, key: bytes) -> int | None:
        """The row of a key, None where it has none."""
        return self._row_of.get(key)

    def add(self, key: bytes) -> tuple[int, bytes | None]:
        """A row for a new key, and the key that lost it; None while rows are free."""
        row, forgotten = self.next_row, None
        if len(self) < self.capacity:
            self.keys.append(key)
        else:
            forgotten = self.keys[row]
            del self._row_of[forgotten]
            self.keys[row] = key
        self._row_of[key] = row
        self.next_row = (row + 1) % self.capacity
        return row, forgotten

    def restore(self, keys: Sequence[bytes], next_row: int) -> None:
        """Takes over the keys of the first rows, and which comes next."""
        self.keys, self.next_row = list(keys), next_row
        self._row_of = {key: row for row, key in enumerate(self.keys)}


def keys_of(columns: Sequence[NDArray[Any]]) -> list[bytes]:
    """The bytes of each row, of one column after another."""
    parts = [np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8) for rows in columns]
    together = np.concatenate(parts, axis=1)
    rows: Any = together.view(np.dtype((np.void, together.shape[1]))).ravel()
    keys: list[bytes] = rows.tolist()
    return keys
