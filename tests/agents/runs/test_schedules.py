import pytest

from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.schedules import with_schedules


def test_a_linear_schedule_falls_to_0_and_all_else_stays() -> None:
    arguments = with_schedules({"learning_rate": "lin_0.002", "clip_range": 0.2, "baseline": "none"})
    assert [arguments["learning_rate"](remaining) for remaining in (1.0, 0.5, 0.0)] == pytest.approx(
        [0.002, 0.001, 0.0]
    )
    assert {name: arguments[name] for name in ("clip_range", "baseline")} == {"clip_range": 0.2, "baseline": "none"}


@pytest.mark.parametrize("text", ["fast", "lin_", "lin_fast", "lin_-1", "lin_nan", "lin_inf", "0.1"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"text such as lin_0.001, not '{text}'"):
        with_schedules({"clip_range": text})
