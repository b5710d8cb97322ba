from __future__ import annotations

import numpy as np
import pytest

from wmil_agents.studies.crossed_bootstrap import crossed_mean, crossed_ratio


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_equal_rows_have_the_interval_of_the_columns_alone() -> None:
    from wmil_agents.evaluation.intervals import bootstrap_interval

    row = np.random.default_rng(1).normal(size=30)
    crossed = crossed_mean(np.tile(row, (4, 1)), rng())
    assert crossed == pytest.approx(bootstrap_interval(row, np.mean, rng()), abs=0.02)


def test_the_luck_of_a_row_is_in_all_of_its_cells() -> None:
    rows = np.array([0.0, 1.0, 0.0, 1.0])[:, None]
    table = np.tile(rows, (1, 100))
    low, high = crossed_mean(table, rng())
    assert (low, high) == (0.0, 1.0)  # of four rows, all drawn ones may be alike; 400 cells would say .45 to .55


def test_it_is_the_same_as_drawing_rows_and_columns_one_by_one() -> None:
    table = np.random.default_rng(2).normal(size=(3, 5))
    draws = np.random.default_rng(3)
    means = [table[draws.integers(0, 3, 3)][:, draws.integers(0, 5, 5)].mean() for _ in range(20_000)]
    assert crossed_mean(table, rng(), 20_000) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.04)


def test_a_ratio_is_of_sums() -> None:
    gains, losses = np.array([[1.0, 0.0]]), np.array([[2.0, 1.0]])
    low, high = crossed_ratio(gains, losses, rng())
    assert (low, high) == (0.0, 0.5)
    table = np.random.default_rng(4).uniform(1.0, 2.0, (4, 9))
    assert crossed_ratio(0.3 * table, table, rng()) == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize(("first", "second"), [((3, 1), (3, 1)), ((3, 4), (4, 3)), ((4,), (4,))])
def test_other_tables_are_refused(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two tables of one shape with at least 2 columns"):
        crossed_ratio(np.ones(first), np.ones(second), rng())
