from itertools import product
from typing import Any

import numpy as np
import pytest

from wmil_agents.evaluation.intervals import (
    MIN_PAIRS,
    bootstrap_interval,
    mean_interval,
    paired_bootstrap,
    student_quantile,
    wilson_interval,
)


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


@pytest.mark.parametrize("statistic", [np.mean, np.median])
@pytest.mark.parametrize("differences", [[0.0, 3.0, 10.0], [-4.0, 1.0, 2.0, 9.0]])
def test_a_bootstrap_is_that_of_all_possible_resamples(differences: list[float], statistic: Any) -> None:
    resampled = statistic(np.array(list(product(differences, repeat=len(differences)))), axis=1)  # all n^n of them
    expected = np.quantile(resampled, [0.025, 0.975], method="inverted_cdf")
    first = np.array([5.0, -1.0, 7.0, 2.0])[: len(differences)]
    value, interval = paired_bootstrap(
        first.tolist(), (first + differences).tolist(), statistic, np.random.default_rng(0), 100_000
    )
    assert value == statistic(differences)
    assert interval == pytest.approx(tuple(expected))


def test_three_pairs_by_hand() -> None:
    # Differences 0, 3, 9: of the 27 resamples one is (0, 0, 0) and one (9, 9, 9), each more than 2.5 %.
    value, interval = paired_bootstrap([1.0, 1.0, 1.0], [1.0, 4.0, 10.0], np.mean, np.random.default_rng(1))
    assert (value, interval) == (4.0, (0.0, 9.0))


def test_what_pairs_have_in_common_is_not_in_their_difference() -> None:
    rng = np.random.default_rng(0)
    luck = rng.normal(0.0, 100.0, size=20)
    value, (low, high) = paired_bootstrap(luck.tolist(), (luck + 1.0).tolist(), np.mean, rng)
    assert value == pytest.approx(1.0)
    assert high - low < 1e-9


def test_exchanged_sides_exchange_the_sign() -> None:
    first, second = [3.0, 8.0, 1.0, 7.0, 5.0, 2.0, 9.0], [4.0, 6.0, 5.0, 9.0, 5.0, 8.0, 12.0]
    value, (low, high) = paired_bootstrap(first, second, np.mean, np.random.default_rng(0))
    back, (back_low, back_high) = paired_bootstrap(second, first, np.mean, np.random.default_rng(0))
    assert back == -value
    assert (-back_high, -back_low) == pytest.approx((low, high), abs=0.1)


def test_a_bootstrap_covers_the_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(400, 40))
    covered = [low < 0.0 < high for low, high in (bootstrap_interval(one, np.mean, rng, 1_000) for one in samples)]
    assert np.mean(covered) == pytest.approx(0.94, abs=0.04)


def test_fewer_pairs_than_the_least_can_all_have_one_sign_by_luck() -> None:
    assert 2.0 ** (1 - MIN_PAIRS) <= 0.05 < 2.0 ** (2 - MIN_PAIRS)


def test_pairs_without_a_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="not 1 and 2"):
        paired_bootstrap([1.0], [1.0, 2.0], np.mean, np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least 2"):
        paired_bootstrap([1.0], [1.0], np.mean, np.random.default_rng(0))
