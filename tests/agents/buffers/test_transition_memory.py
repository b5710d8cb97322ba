from __future__ import annotations

import json

import numpy as np
import pytest

from wmil_agents.buffers.transition_memory import TransitionMemory


def column(*values: int) -> np.ndarray:
    return np.array(values)[:, None]


def pairs(memory: TransitionMemory, n: int = 300) -> set[tuple[int, int, int]]:
    observations, actions, following = memory.sample(n)
    return {(int(o[0]), int(a[0]), int(f[0])) for o, a, f in zip(observations, actions, following, strict=True)}


def test_pairs_are_drawn_evenly_however_often_they_were_seen() -> None:
    memory = TransitionMemory(seed=0)
    for _ in range(50):
        memory.add(column(0, 0, 0), column(1, 1, 1), column(7, 7, 7))
    memory.add(column(2), column(3), column(9))
    observations, _, _ = memory.sample(1000)
    assert len(memory) == 2
    assert abs(int((observations == 2).sum()) - 500) < 4 * np.sqrt(250)


def test_the_newest_outcome_of_a_pair_is_remembered() -> None:
    memory = TransitionMemory(seed=0)
    memory.add(column(0, 0), column(1, 1), column(5, 6))
    assert pairs(memory) == {(0, 1, 6)}


def test_beyond_its_capacity_the_oldest_pair_is_forgotten() -> None:
    memory = TransitionMemory(capacity=2, seed=0)
    for value in (0, 1, 2):
        memory.add(column(value), column(value), column(value))
    memory.add(column(1), column(1), column(8))
    assert pairs(memory) == {(1, 1, 8), (2, 2, 2)}


def test_dict_observations_come_back_as_dicts() -> None:
    memory = TransitionMemory(seed=0)
    memory.add({"a": column(1), "b": column(2)}, column(0), {"a": column(3), "b": column(4)})
    observations, _, following = memory.sample(1)
    assert isinstance(observations, dict)
    assert isinstance(following, dict)
    assert {name: rows.tolist() for name, rows in observations.items()} == {"a": [[1]], "b": [[2]]}
    assert {name: rows.tolist() for name, rows in following.items()} == {"a": [[3]], "b": [[4]]}


def test_a_restored_memory_draws_and_forgets_as_the_saved_one_would() -> None:
    memory, other = TransitionMemory(capacity=3, seed=0), TransitionMemory(capacity=3, seed=1)
    for value in range(4):
        memory.add(column(value), column(value), column(value))
    state = memory.state_dict()
    json.dumps({name: part for name, part in state.items() if name != "columns"})
    other.load_state_dict(state)
    for each in (memory, other):
        each.add(column(9), column(9), column(9))
    for mine, theirs in zip(memory.sample(20), other.sample(20), strict=True):
        assert np.array_equal(mine, theirs)


def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity must be at least 1, not 0"):
        TransitionMemory(0)
