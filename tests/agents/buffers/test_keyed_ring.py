from __future__ import annotations

import numpy as np

from wmil_agents.buffers.keyed_ring import KeyedRing, keys_of


def test_rows_are_given_away_in_turn_and_the_oldest_key_loses_its_own() -> None:
    ring = KeyedRing(2)
    assert [ring.add(key) for key in (b"a", b"b", b"c", b"d")] == [(0, None), (1, None), (0, b"a"), (1, b"b")]
    assert (ring.keys, ring.next_row, len(ring)) == ([b"c", b"d"], 0, 2)
    assert [ring.row_of(key) for key in (b"a", b"b", b"c", b"d")] == [None, None, 0, 1]


def test_a_restored_ring_goes_on_as_the_other_would() -> None:
    ring, restored = KeyedRing(2), KeyedRing(2)
    for key in (b"a", b"b", b"c"):
        ring.add(key)
    restored.restore(ring.keys, ring.next_row)
    assert restored.add(b"d") == ring.add(b"d") == (1, b"b")
    assert ring.keys == restored.keys == [b"c", b"d"]


def test_a_key_is_the_bytes_of_a_row_of_all_columns() -> None:
    columns = [np.array([[1, 2], [3, 4]], dtype=np.int8), np.array([5, 6], dtype=np.int16)]
    assert keys_of(columns) == [b"\1\2\5\0", b"\3\4\6\0"]
    assert keys_of([column[::-1] for column in columns]) == keys_of(columns)[::-1], "in memory they lie otherwise"
