from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wmil_agents.buffers.event_memory import EventMemory, EventReplay


def column(*values: int) -> np.ndarray:
    return np.array(values)[:, None]


def memory_of(*steps: tuple[int, int, float], **settings: Any) -> EventMemory:
    """A memory of 3 actions that saw these (observation, action, return)."""
    memory = EventMemory(3, EventReplay(**settings), seed=0)
    for obs, action, ret in steps:
        memory.add(column(obs), column(action), np.array([ret]))
    return memory


def told(memory: EventMemory) -> dict[int, list[bool]]:
    drawn = memory.sample()
    if drawn is None:
        return {}
    observations, possible = drawn
    assert isinstance(observations, np.ndarray)
    return {int(obs[0]): row.tolist() for obs, row in zip(observations, possible, strict=True)}


def test_what_failed_is_impossible_and_a_reward_leaves_nothing_else() -> None:
    memory = memory_of((7, 0, 0.0), (7, 2, 0.0), (8, 0, 0.0), (8, 1, 1.0))
    assert told(memory) == {7: [False, True, False], 8: [False, True, False]}
    assert (memory.n_failures, memory.n_rewards, len(memory)) == (3, 1, 2)


def test_without_rewards_only_failures_are_remembered() -> None:
    assert told(memory_of((7, 0, 0.0), (7, 1, 1.0), (8, 1, 1.0), rewarded=False)) == {7: [False, True, True]}


def test_the_newest_outcome_counts() -> None:
    memory = memory_of((7, 0, 0.0), (7, 0, 1.0), (8, 1, 1.0), (8, 1, 0.0))
    assert told(memory) == {7: [True, False, False], 8: [True, False, True]}


def test_where_every_action_failed_or_none_was_tried_nothing_is_known() -> None:
    assert told(memory_of((7, 0, 0.0), (7, 1, 0.0), (7, 2, 0.0))) == {}
    assert told(memory_of()) == {}


def test_the_threshold_says_what_failed() -> None:
    assert told(memory_of((7, 0, -1.0), (7, 1, -3.0), threshold=-2.0)) == {7: [True, False, False]}


def test_no_more_observations_than_asked_for_are_drawn_each_once_and_evenly() -> None:
    memory = memory_of(*((obs, 0, 0.0) for obs in range(6)), n_replayed=3)
    counts = dict.fromkeys(range(6), 0)
    for _ in range(300):
        drawn = told(memory)
        assert len(drawn) == 3
        for obs in drawn:
            counts[obs] += 1
    assert all(abs(count - 150) < 4 * np.sqrt(75) for count in counts.values())


def test_beyond_its_capacity_the_oldest_observation_is_forgotten() -> None:
    memory = memory_of((0, 0, 0.0), (1, 1, 0.0), (2, 2, 0.0), capacity=2)
    assert told(memory) == {1: [True, False, True], 2: [True, True, False]}


def test_dict_observations_come_back_as_dicts() -> None:
    memory = EventMemory(3, EventReplay(), seed=0)
    memory.add({"a": column(1, 2), "b": column(3, 4)}, column(0, 1), np.array([0.0, 1.0]))
    drawn = memory.sample()
    assert drawn is not None
    assert {name: rows.tolist() for name, rows in drawn[0].items()} == {"a": [[1], [2]], "b": [[3], [4]]}


def test_a_restored_memory_draws_and_forgets_as_the_saved_one_would() -> None:
    steps = [(obs, obs % 3, float(obs % 2)) for obs in range(5)]
    memory, other = memory_of(*steps, capacity=4, n_replayed=2), memory_of(capacity=4, n_replayed=2)
    other.load_state_dict(memory.state_dict())
    for each in (memory, other):
        each.add(column(9), column(1), np.array([0.0]))
    assert [told(memory) for _ in range(9)] == [told(other) for _ in range(9)]


def test_a_state_that_does_not_fit_is_refused() -> None:
    state = memory_of((0, 0, 0.0), (1, 0, 0.0)).state_dict()
    with pytest.raises(ValueError, match="2 observations with 3 actions do not fit into a memory of 1 with 3"):
        memory_of(capacity=1).load_state_dict(state)


def test_settings_come_as_themselves_as_plain_data_or_as_a_switch() -> None:
    assert EventReplay.of(True) == EventReplay.of({}) == EventReplay()
    assert EventReplay.of({"n_replayed": 4}) == EventReplay.of(EventReplay(n_replayed=4)) == EventReplay(n_replayed=4)
    assert EventReplay.of(False) is EventReplay.of(None) is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"weight": 0.0}, r"the weight of event replay must be above 0 and finite, not 0\.0"),
        ({"weight": float("nan")}, "the weight of event replay must be above 0 and finite, not nan"),
        ({"weight": float("inf")}, "the weight of event replay must be above 0 and finite, not inf"),
        ({"threshold": float("nan")}, "the threshold of event replay must be a finite number, not nan"),
        ({"threshold": float("-inf")}, "the threshold of event replay must be a finite number, not -inf"),
        (0.5, r"event_replay is an EventReplay, its fields as a mapping, True or False, not 0\.5"),
        ({"n_replayed": 0}, "n_replayed must be at least 1, not 0"),
        ({"capacity": 0}, "capacity must be at least 1, not 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        EventReplay.of(settings)
