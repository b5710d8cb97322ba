import numpy as np
import pytest

from wmil_agents.evaluation.interquartile_mean import interquartile_interval, interquartile_mean


@pytest.mark.parametrize(
    ("values", "middle"),
    [
        ([7.0], 7.0),
        ([1.0, 3.0], 2.0),
        ([0.0, 3.0, 9.0], (0.25 * 0.0 + 1.0 * 3.0 + 0.25 * 9.0) / 1.5),  # the middle half is 1.5 of 3 runs
        ([100.0, 1.0, 2.0, -50.0], 1.5),
        ([0, 0, 1, 2, 3, 4, 50, 60], 2.5),
    ],
)
def test_the_middle_half_counts(values: list[float], middle: float) -> None:
    assert interquartile_mean(np.array(values, dtype=float)[:, None])[0] == pytest.approx(middle)


def test_every_step_is_by_itself() -> None:
    values = np.array([[1.0, 40.0], [2.0, 30.0], [3.0, 20.0], [4.0, 10.0]])
    assert interquartile_mean(values).tolist() == [2.5, 25.0]


def test_the_interval_is_that_of_a_plain_bootstrap() -> None:
    values = np.random.default_rng(1).normal(size=(20, 1))
    rng = np.random.default_rng(2)
    plain = [float(interquartile_mean(values[rng.integers(20, size=20)])[0]) for _ in range(4_000)]
    low, high = interquartile_interval(values)
    assert [low[0], high[0]] == pytest.approx(np.quantile(plain, [0.025, 0.975]).tolist(), abs=0.06)


def test_the_interval_is_the_same_each_time_and_of_equal_runs_has_no_width() -> None:
    values = np.random.default_rng(1).normal(size=(6, 3))
    assert [end.tolist() for end in interquartile_interval(values)] == [
        end.tolist() for end in interquartile_interval(values)
    ]
    low, high = interquartile_interval(np.full((6, 2), 3.0))
    assert low.tolist() == pytest.approx([3.0, 3.0])
    assert high.tolist() == pytest.approx([3.0, 3.0])


def test_one_run_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2 runs, not 1"):
        interquartile_interval(np.zeros((1, 3)))
