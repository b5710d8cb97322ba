import math

import numpy as np
import pytest

from wmil_agents.reports.scale import Scale, percent, short_number, spread


def test_ends_are_placed_at_the_ends() -> None:
    scale = Scale(0.0, 10.0, 100.0, 0.0)
    assert (scale.place(0.0), scale.place(10.0), scale.place(5.0)) == (100.0, 0.0, 50.0)
    assert scale.places(np.array([0.0, 5.0])).tolist() == [100.0, 50.0]


def test_what_is_far_outside_stays_near_the_paper() -> None:
    assert Scale(0.0, 1.0, 0.0, 100.0).places(np.array([-1e9, 1e9])).tolist() == [-50.0, 150.0]


@pytest.mark.parametrize(
    ("low", "high", "n", "ticks"),
    [(0, 1, 4, [0, 0.25, 0.5, 0.75, 1]), (0, 397, 5, [0, 100, 200, 300]), (-0.7, 1.1, 4, [-0.5, 0, 0.5, 1])],
)
def test_ticks_are_round(low: float, high: float, n: int, ticks: list[float]) -> None:
    assert Scale(low, high, 0, 1).ticks(n) == ticks


def test_a_range_has_a_width_and_no_number_that_is_none() -> None:
    assert spread([math.nan]) == (0.0, 1.0)
    low, high = spread([3.0, math.inf, 3.0])
    assert low < 3.0 < high


def test_numbers_are_short() -> None:
    assert [short_number(x) for x in (0.25, 400, 1500, 10_000, 2.5e6)] == ["0.25", "400", "1,500", "10k", "2.5M"]
    assert [percent(x) for x in (0.984, 1.0, 0.00223)] == ["98.4%", "100%", "0.22%"]
