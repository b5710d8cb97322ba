from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from wmil_agents.buffers.transition_memory import TransitionMemory


def column(*values: int) -> np.ndarray:
    return np.array(values)[:, None]


def pairs(memory: TransitionMemory, n: int = 300) -> set[tuple[int, int, int]]:
    return set(triples(memory, n))


def triples(memory: TransitionMemory, n: int) -> list[tuple[int, int, int]]:
    """(observation, action, next observation) of a draw."""
    drawn = memory.sample(n)
    assert not isinstance(drawn.observations, dict)
    columns = (drawn.observations[drawn.origin], drawn.actions, drawn.next_observations)
    return [(int(o[0]), int(a[0]), int(f[0])) for o, a, f in zip(*columns, strict=True)]


def test_pairs_are_drawn_evenly_however_often_they_were_seen() -> None:
    memory = TransitionMemory(seed=0)
    for _ in range(50):
        memory.add(column(0, 0, 0), column(1, 1, 1), column(7, 7, 7))
    memory.add(column(2), column(3), column(9))
    drawn = triples(memory, 1000)
    assert len(memory) == 2
    assert abs(sum(observation == 2 for observation, _, _ in drawn) - 500) < 4 * np.sqrt(250)


def test_pairs_are_drawn_evenly_in_groups_and_a_group_has_one_observation() -> None:
    memory = TransitionMemory(seed=0, group_size=4)
    known = [(0, action) for action in range(3)] + [(1, action) for action in range(9)]  # six an observation
    for observation, action in known:
        memory.add(column(observation), column(action), column(10 * observation + action))
    drawn = memory.sample(36_000)
    assert len(drawn.observations) == 9_000
    assert drawn.origin.tolist() == [number // 4 for number in range(36_000)]
    counts = Counter((observation, action) for observation, action, _ in triples(memory, 36_000))
    assert set(counts) == set(known)
    assert all(abs(n - 3_000) < 4 * np.sqrt(4 * 3_000) for n in counts.values())  # four of a group come together
    assert all(following == 10 * o + a for o, a, following in triples(memory, 500))


def test_a_group_repeats_no_pair_while_it_has_others() -> None:
    memory = TransitionMemory(seed=0, group_size=3)
    for action in range(5):
        memory.add(column(0), column(action), column(0))
    drawn = memory.sample(300).actions.reshape(100, 3)
    assert all(len(set(group)) == 3 for group in drawn.tolist())


def test_where_no_observation_comes_twice_every_pair_is_drawn_by_itself() -> None:
    memory = TransitionMemory(seed=0)
    for value in range(20):
        memory.add(column(value), column(0), column(value))
    drawn = memory.sample(40)
    assert len(drawn.observations) == 40
    assert drawn.origin.tolist() == list(range(40))


def test_what_is_left_of_a_group_is_cut_off() -> None:
    memory = TransitionMemory(seed=0)
    memory.add(column(0, 0, 0, 0), column(0, 1, 2, 3), column(0, 1, 2, 3))
    drawn = memory.sample(6)
    assert (len(drawn.observations), len(drawn.actions), drawn.origin.tolist()) == (2, 6, [0, 0, 0, 0, 1, 1])


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
    drawn = memory.sample(1)
    observations, following = drawn.observations, drawn.next_observations
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
    assert triples(memory, 20) == triples(other, 20)


def test_a_restored_memory_draws_the_same_groups_after_pairs_were_forgotten() -> None:
    memory, other = TransitionMemory(capacity=6, seed=0), TransitionMemory(capacity=6, seed=1)
    for value in range(9):
        memory.add(column(value % 2), column(value), column(value))
    other.load_state_dict(memory.state_dict())
    for each in (memory, other):
        each.add(column(1), column(20), column(7))
    assert triples(memory, 40) == triples(other, 40)
    assert len(memory.sample(8).observations) < 8


def test_a_capacity_or_a_group_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity must be at least 1, not 0"):
        TransitionMemory(0)
    with pytest.raises(ValueError, match="group_size must be at least 1, not 0"):
        TransitionMemory(group_size=0)


@pytest.mark.parametrize("capacity", [30, 60, 1_000])
def test_a_batch_is_remembered_as_its_steps_one_by_one_would_be(capacity: int) -> None:
    """With pairs that come many times in it, and where there is no room for all of them."""
    rng = np.random.default_rng(0)
    at_once, one_by_one = TransitionMemory(capacity, seed=0), TransitionMemory(capacity, seed=0)
    for _ in range(5):
        observations, actions, following = (rng.integers(n, size=(200, 1)) for n in (8, 8, 1_000))
        at_once.add(observations, actions, following)
        for step in zip(observations, actions, following, strict=True):
            one_by_one.add(*(part[None] for part in step))
    assert len(at_once) == min(capacity, 64)
    first, second = (memory.state_dict() for memory in (at_once, one_by_one))
    for name, rows in first["columns"].items():
        np.testing.assert_array_equal(rows, second["columns"][name])
    assert first["next_row"] == second["next_row"]
    assert triples(at_once, 50) == triples(one_by_one, 50)
