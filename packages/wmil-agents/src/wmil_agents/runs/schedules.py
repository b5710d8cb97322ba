"""Settings that change while a run goes on, written as text."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.utils import LinearSchedule

from wmil_agents.runs.input_error import InputError

_LINEAR = "lin_"
_SCHEDULED = ("learning_rate", "clip_range", "clip_range_vf", "ent_coef")
"""Arguments of an algorithm that may be schedules; `ent_coef` of REINFORCE alone."""


def with_schedules(arguments: dict[str, Any]) -> dict[str, Any]:
    """An algorithm's arguments, `lin_0.001` (falls from .001 to 0 over the run) made a schedule.

    Raises:
        InputError: what follows `lin_` is no positive number.
    """
    return {name: _schedule(name, value) if name in _SCHEDULED else value for name, value in arguments.items()}


def is_schedule(name: str, value: Any) -> bool:
    """Whether an argument of an algorithm changes while a run goes on."""
    return name in _SCHEDULED and isinstance(value, str)


def _schedule(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        start = float(value.removeprefix(_LINEAR))
    except ValueError:
        start = 0.0
    if not value.startswith(_LINEAR) or not 0.0 < start < float("inf"):
        raise InputError(f"learner.arguments.{name} is a number, or text such as {_LINEAR}0.001, not {value!r}")
    return LinearSchedule(start, 0.0, 1.0)
