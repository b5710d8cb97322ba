"""What every contestant that steps an environment answers: the time of one step, in CPU microseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.measure import microseconds_per_call


def stepping_turn(call: Callable[[], object], steps_per_call: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Answers any request with a turn's mean time of one environment's step."""

    def turn(request: dict[str, Any]) -> dict[str, Any]:
        return {"microseconds": microseconds_per_call({"": call}, 1)[""].median / steps_per_call}

    return turn
