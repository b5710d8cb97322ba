import pytest

from wmil_agents.analysis.emergence import emergence_step


def test_the_first_step_below_the_share() -> None:
    found = emergence_step([0, 10, 20, 30], [1.0, 0.7, 0.69, 0.9])
    assert found.step == 20  # .7 itself is not below
    assert (found.start, found.threshold, found.lowest) == (1.0, 0.7, 0.69)
    assert str(found) == "at step 20 below 0.7 (from 1; lowest 0.69)"


def test_never_is_said() -> None:
    found = emergence_step([0, 10], [1.0, 0.8])
    assert found.step is None
    assert str(found).startswith("never below 0.7")


def test_attention_that_had_no_choice_is_undefined() -> None:
    found = emergence_step([0, 10], [0.0, 0.0])
    assert found.step is None
    assert str(found) == "undefined: attention was on one token from the start"


@pytest.mark.parametrize(
    ("steps", "entropies"), [([], []), ([0], [1.0, 2.0]), ([1, 1], [1.0, 1.0]), ([0], [float("nan")])]
)
def test_what_is_no_series_is_refused(steps: list[int], entropies: list[float]) -> None:
    with pytest.raises(ValueError, match=r"belong together|must increase"):
        emergence_step(steps, entropies)
