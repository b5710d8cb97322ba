"""Where arms end: one row for each, with its interval and its runs, between floor and ceiling."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from wmil_agents.reports.drawing import drawing
from wmil_agents.reports.markup import Markup, element, joined
from wmil_agents.reports.scale import Scale, short_number
from wmil_agents.reports.series import colour, sign

WIDTH = 440.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 10.0, 78.0, 6.0, 26.0
_LABEL, _LINE, _GAP = 18.0, 20.0, 8.0
_LONGEST_LABEL = 52


@dataclass(frozen=True)
class Dot:
    """What one arm reached."""

    place: int
    """Of the arm, which decides colour and sign."""
    value: float
    interval: tuple[float, float] | None = None
    runs: Sequence[float] = ()


@dataclass(frozen=True)
class DotRow:
    """Dots below each other that share floor and ceiling."""

    label: str
    dots: Sequence[Dot]
    floor: float = math.nan
    ceiling: float = math.nan


def dot_chart(
    title: str,
    description: str,
    rows: Sequence[DotRow],
    low: float,
    high: float,
    text: Callable[[float], str] = short_number,
) -> Markup:
    """The drawing.

    Args:
        title: what a screen reader calls it.
        description: what it says, in a sentence.
        rows: from top to bottom.
        low: where the scale begins.
        high: where it ends.
        text: how its numbers are written.
    """
    x = Scale(low, high, _LEFT + 6, WIDTH - _RIGHT)
    bottom = _TOP + sum(_LABEL + _LINE * len(row.dots) + _GAP for row in rows)
    parts: list[Markup] = []
    for tick in x.ticks(4):
        at = x.place(tick)
        parts.append(element("line", x1=at, y1=_TOP + _LABEL, x2=at, y2=bottom, class_="grid"))
        parts.append(element("text", text(tick), x=at, y=bottom + 17, class_="tick", text_anchor="middle"))
    top = _TOP
    for row in rows:
        parts.append(joined(_row(row, x, top, text)))
        top += _LABEL + _LINE * len(row.dots) + _GAP
    return drawing(title, description, WIDTH, bottom + _BOTTOM, parts)


def _row(row: DotRow, x: Scale, top: float, text: Callable[[float], str]) -> Iterator[Markup]:
    short = row.label if len(row.label) <= _LONGEST_LABEL else f"{row.label[: _LONGEST_LABEL - 1]}…"
    yield element("text", short, x=_LEFT, y=top + 12, class_="label")
    first, last = top + _LABEL, top + _LABEL + _LINE * len(row.dots)
    for bound in (row.floor, row.ceiling):
        if math.isfinite(bound):
            at = x.place(bound)
            yield element("line", x1=at, y1=first, x2=at, y2=last, class_="level")
    for line, dot in enumerate(row.dots):
        y = first + _LINE * (line + 0.5)
        for value in dot.runs:
            yield element("circle", cx=x.place(value), cy=y, r=2.6, class_=f"run {colour(dot.place)}")
        if dot.interval is not None:
            start, end = (x.place(bound) for bound in dot.interval)
            yield element("line", x1=start, y1=y, x2=end, y2=y, class_=f"interval {colour(dot.place)}")
        yield sign(dot.place, x.place(dot.value), y, 4.6)
        yield element("text", text(dot.value), x=WIDTH - 4, y=y + 4.5, class_="value", text_anchor="end")
