from __future__ import annotations

import pickle

import numpy as np
import pytest
from gymnasium import spaces

from wmil_agents.vec_env.history_space import HistorySpace


@pytest.mark.parametrize(
    ("space", "width", "low", "high"),
    [
        (spaces.Discrete(4), 1, 0, 3),
        (spaces.MultiDiscrete([3, 3]), 2, 0, 2),
        (spaces.MultiBinary(5), 5, 0, 1),
        (spaces.Box(1, 2, (2, 3)), 6, 0, 2),
        (spaces.Box(0, 255, (4,), np.uint8), 4, 0, 255),
    ],
)
def test_rows_hold_flat_elements_or_nothing(space: spaces.Space, width: int, low: float, high: float) -> None:
    rows = HistorySpace(space, space, 3)["observation"]
    assert isinstance(rows, spaces.Box)
    assert rows.shape == (3, width)
    assert rows.dtype == space.dtype
    assert (rows.low == low).all()
    assert (rows.high == high).all()


def test_it_survives_pickling() -> None:
    space = HistorySpace(spaces.Box(-1, 1, (3,)), spaces.Discrete(4), 5)
    again = pickle.loads(pickle.dumps(space))
    assert again == space
    assert (again.observation_space, again.action_space, again.length) == (
        spaces.Box(-1, 1, (3,)),
        space.action_space,
        5,
    )


def test_what_has_no_history_is_refused() -> None:
    for length in (1, 0, 2.5, "3"):
        with pytest.raises(ValueError, match=f"the length of a history must be .*, not {length!r}"):
            HistorySpace(spaces.Discrete(2), spaces.Discrete(2), length)
    for space in (spaces.Discrete(2, start=1), spaces.MultiDiscrete([2], start=[1]), spaces.Text(3)):
        with pytest.raises(ValueError, match="no history of"):
            HistorySpace(space, spaces.Discrete(2), 4)
