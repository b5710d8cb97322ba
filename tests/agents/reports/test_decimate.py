import numpy as np

from wmil_agents.reports.decimate import decimated


def test_a_short_line_is_kept_whole() -> None:
    assert decimated(np.zeros(5), 10).tolist() == [0, 1, 2, 3, 4]


def test_ends_peaks_and_troughs_of_a_long_line_are_kept() -> None:
    values = np.zeros(10_000)
    values[1_234], values[7_777] = 5.0, -5.0
    kept = decimated(values, 100)
    assert len(kept) <= 100
    assert {0, 1_234, 7_777, 9_999} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()
