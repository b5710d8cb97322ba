import numpy as np
import pytest

from wmil_agents.analysis.calibration import calibration


def test_the_table_and_its_error_as_worked_out_by_hand() -> None:
    found = calibration(np.array([0.05, 0.15, 0.15, 0.95, 0.95]), np.array([0, 0, 1, 1, 1]))
    assert [(one.low, one.n, one.confidence, one.rate) for one in found.bins] == [
        (0.0, 1, pytest.approx(0.05), 0.0),
        (0.1, 2, pytest.approx(0.15), 0.5),
        (0.9, 2, pytest.approx(0.95), 1.0),
    ]
    assert found.error == pytest.approx((1 * 0.05 + 2 * 0.35 + 2 * 0.05) / 5)


def test_honest_probabilities_have_a_small_error_and_shuffled_ones_a_large_one() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(20_000)
    happened = rng.random(20_000) < said
    assert calibration(said, happened).error < 0.02
    assert calibration(rng.permutation(said), happened).error == pytest.approx(0.25, abs=0.02)


def test_a_rate_has_an_interval_around_it() -> None:
    (one,) = calibration(np.full(10, 0.5), np.arange(10) < 3).bins
    assert one.interval[0] < one.rate < one.interval[1]


def test_certainty_is_in_the_last_bin() -> None:
    assert calibration(np.ones(2), np.ones(2)).bins[0].low == 0.9


@pytest.mark.parametrize(("said", "happened"), [([], []), ([0.5], [1, 0]), ([1.5], [1]), ([float("nan")], [1])])
def test_what_are_no_probabilities_is_refused(said: list[float], happened: list[int]) -> None:
    with pytest.raises(ValueError, match=r"calibration|must be in"):
        calibration(np.array(said), np.array(happened))
