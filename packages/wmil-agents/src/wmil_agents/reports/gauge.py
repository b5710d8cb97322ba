"""A number between its floor and its ceiling, beside what it was held against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from wmil_agents.evaluation.quantity import figure_text
from wmil_agents.reports.drawing import drawing
from wmil_agents.reports.markup import Markup, element, joined
from wmil_agents.reports.scale import Scale

_WIDTH, _HEIGHT = 220.0, 30.0
_BOUNDS = ("floor", "ceiling")


def gauge(criterion: Mapping[str, Any]) -> Markup | None:
    """The drawing of a verdict's criterion; None where it has no value, or nothing to hold it against."""
    numbers = {name: _number(criterion.get(name)) for name in ("value", "threshold", *_BOUNDS)}
    value, threshold = numbers["value"], numbers["threshold"]
    known = [number for number in numbers.values() if math.isfinite(number)]
    if not math.isfinite(value) or len(set(known)) < 2:
        return None
    x = Scale(min(known), max(known), 10.0, _WIDTH - 10.0)
    parts = [element("rect", x=x.start, y=13.0, width=x.end - x.start, height=4.0, rx=2.0, class_="track")]
    for name in _BOUNDS:
        if math.isfinite(numbers[name]):
            at = x.place(numbers[name])
            parts.append(element("line", x1=at, y1=9.0, x2=at, y2=21.0, class_="bound"))
    if math.isfinite(threshold):
        at = x.place(threshold)
        parts.append(element("line", x1=at, y1=3.0, x2=at, y2=27.0, class_="threshold"))
    kind = answer_of(criterion)
    parts.append(element("circle", cx=x.place(value), cy=15.0, r=6.0, class_=f"pointer {kind}"))
    words = ", ".join(f"{name} {figure_text(number)}" for name, number in numbers.items() if math.isfinite(number))
    return drawing(str(criterion.get("statement", "")), words, _WIDTH, _HEIGHT, joined(parts), "gauge")


def answer_of(criterion: Mapping[str, Any]) -> str:
    """`passed`, `failed`, or `open` where it was not judged."""
    passed = criterion.get("passed")
    return "passed" if passed is True else "failed" if passed is False else "open"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
