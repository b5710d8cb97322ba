import numpy as np
import pytest

from wmil_agents.evaluation.intervals import mean_interval, student_quantile, wilson_interval


def test_wilson_interval_of_eight_in_ten() -> None:
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_wilson_interval_has_a_width_where_all_succeed() -> None:
    low, high = wilson_interval(20, 20)
    assert low == pytest.approx(20 / (20 + 1.96**2), abs=1e-4)
    assert high == 1.0


@pytest.mark.parametrize(("n_successes", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_a_rate_that_is_none_is_refused(n_successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="no interval"):
        wilson_interval(n_successes, n)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.7062), (2, 4.3027), (4, 2.7764), (30, 2.0423), (1_000, 1.9623), (20_000, 1.96)]
)
def test_student_quantile_is_that_of_the_tables(degrees: int, quantile: float) -> None:
    assert student_quantile(degrees) == pytest.approx(quantile, rel=1e-4)


def test_mean_interval_covers_the_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    covered = [low < 0.0 < high for low, high in (mean_interval(rng.normal(size=5).tolist()) for _ in range(1_000))]
    assert np.mean(covered) == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / 1_000) ** 0.5)


def test_one_value_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        mean_interval([1.0])
