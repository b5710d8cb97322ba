"""Lines over the environment steps, with bands, between floors and ceilings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wmil_agents.reports.decimate import decimated
from wmil_agents.reports.drawing import drawing
from wmil_agents.reports.markup import Markup, element, joined, written
from wmil_agents.reports.scale import Scale, short_number, spread
from wmil_agents.reports.series import colour, dashes, sign

Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT = 440.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 12.0, 16.0, 40.0
_N_SIGNS = 5
_FAINT_POINTS = 80
_LEVEL_GAP = 14.0
"""Names of floors and ceilings closer than this are written on one line."""


@dataclass(frozen=True)
class Line:
    """The line of one arm."""

    place: int
    """Of the arm, which decides colour and sign."""
    steps: Floats
    """(T,)"""
    middle: Floats
    """(T,)"""
    band: tuple[Floats, Floats] | None = None
    """(T,) its lower and its upper end."""
    runs: Floats | None = None
    """(n_runs, T) drawn faintly."""


@dataclass(frozen=True)
class Axis:
    """What is drawn upwards."""

    name: str
    low: float | None = None
    """Where it begins, unless a line goes below; None for where the lines do."""
    high: float | None = None
    """Where it ends, in the same way."""
    text: Callable[[float], str] = short_number


def line_chart(
    title: str, description: str, lines: Sequence[Line], levels: Mapping[str, float], axis: Axis, last_step: float
) -> Markup:
    """The drawing.

    Args:
        title: what a screen reader calls it.
        description: what it says, in a sentence.
        lines: one for each arm.
        levels: floors and ceilings by name; those that are not a number are left out.
        axis: what is drawn upwards.
        last_step: where the steps end.
    """
    known = {name: height for name, height in levels.items() if math.isfinite(height)}
    x = Scale(0.0, max(last_step, 1.0), _LEFT, WIDTH - _RIGHT)
    y = _upward(axis, lines, known)
    parts = [
        _axes(x, y, axis),
        joined(_level_lines(y, known)),
        joined(_faint(line, x, y) for line in lines),
        joined(_band(line, x, y) for line in lines),
        joined(_line(line, x, y) for line in lines),
        joined(_signs(line, x, y, len(lines)) for line in lines),
        joined(_level_names(y, known, axis)),
    ]
    return drawing(title, description, WIDTH, HEIGHT, parts)


def _upward(axis: Axis, lines: Sequence[Line], levels: Mapping[str, float]) -> Scale:
    shown = [*levels.values()]
    for line in lines:
        shown += [float(line.middle.min()), float(line.middle.max())]
        if line.band is not None:
            shown += [float(np.nanmin(line.band[0])), float(np.nanmax(line.band[1]))]
    low, high = spread(shown)
    if axis.low is not None and min(shown, default=axis.low) >= axis.low:
        low = axis.low
    if axis.high is not None and max(shown, default=axis.high) <= axis.high:
        high = axis.high
    return Scale(low, high, HEIGHT - _BOTTOM, _TOP)


def _axes(x: Scale, y: Scale, axis: Axis) -> Markup:
    parts: list[Markup] = []
    for tick in y.ticks(5):
        at = y.place(tick)
        parts.append(element("line", x1=x.start, y1=at, x2=x.end, y2=at, class_="grid"))
        parts.append(element("text", axis.text(tick), x=x.start - 7, y=at + 4, class_="tick", text_anchor="end"))
    for tick in x.ticks(5):
        at = x.place(tick)
        parts.append(element("line", x1=at, y1=y.start, x2=at, y2=y.start + 4, class_="axis"))
        anchor = "end" if at > x.end - 12 else "middle"
        parts.append(element("text", short_number(tick), x=at, y=y.start + 17, class_="tick", text_anchor=anchor))
    parts.append(element("line", x1=x.start, y1=y.start, x2=x.end, y2=y.start, class_="axis"))
    middle = (x.start + x.end) / 2
    label = "environment steps"
    parts.append(element("text", label, x=middle, y=HEIGHT - 6, class_="tick", text_anchor="middle"))
    return joined(parts)


def _level_lines(y: Scale, levels: Mapping[str, float]) -> Iterator[Markup]:
    for height in sorted(set(levels.values())):
        at = y.place(height)
        yield element("line", x1=_LEFT, y1=at, x2=WIDTH - _RIGHT, y2=at, class_="level")


def _level_names(y: Scale, levels: Mapping[str, float], axis: Axis) -> Iterator[Markup]:
    """The name of each line at its right end; those of one height share it."""
    by_height: dict[float, list[str]] = {}
    for name, height in levels.items():
        by_height.setdefault(round(height, 9), []).append(name)
    taken: list[float] = []
    for height, names in sorted(by_height.items()):
        at = y.place(height)
        baseline = at - 5
        if any(abs(baseline - other) < _LEVEL_GAP for other in taken):
            baseline = at + 13
        taken.append(baseline)
        text = f"{' = '.join(names)} ({axis.text(float(f'{height:.3g}'))})"
        yield element("text", text, x=WIDTH - _RIGHT, y=baseline, class_="level-name", text_anchor="end")


def _faint(line: Line, x: Scale, y: Scale) -> Markup:
    if line.runs is None:
        return Markup()
    paths = []
    for values in line.runs:
        kept = decimated(values, _FAINT_POINTS)
        paths.append(_path(x.places(line.steps[kept]), y.places(values[kept])))
    return element("path", d="".join(paths), class_=f"faint {colour(line.place)}")


def _band(line: Line, x: Scale, y: Scale) -> Markup:
    if line.band is None:
        return Markup()
    low, high = line.band
    kept = np.union1d(decimated(low), decimated(high))
    there = kept[np.isfinite(low[kept]) & np.isfinite(high[kept])]
    if len(there) < 2:
        return Markup()
    along = x.places(line.steps[there])
    edge = _path(
        np.concatenate([along, along[::-1]]), np.concatenate([y.places(low[there]), y.places(high[there])[::-1]])
    )
    return element("path", d=f"{edge}Z", class_=f"band {colour(line.place)}")


def _line(line: Line, x: Scale, y: Scale) -> Markup:
    kept = decimated(line.middle)
    path = _path(x.places(line.steps[kept]), y.places(line.middle[kept]))
    return element("path", d=path, class_=f"line {colour(line.place)}", stroke_dasharray=dashes(line.place))


def _signs(line: Line, x: Scale, y: Scale, n_lines: int) -> Iterator[Markup]:
    """Some signs along the line, those of different arms beside each other; none where there is one arm."""
    if n_lines < 2:
        return
    along, up = x.places(line.steps), y.places(line.middle)
    for i in range(_N_SIGNS):
        wanted = x.start + (i + (line.place % n_lines + 1) / (n_lines + 1)) / _N_SIGNS * (x.end - x.start)
        if along[0] <= wanted <= along[-1]:
            at = int(np.abs(along - wanted).argmin())
            yield sign(line.place, float(along[at]), float(up[at]))


def _path(along: Floats, up: Floats) -> str:
    return "M" + "L".join(f"{written(a)},{written(b)}" for a, b in zip(along.tolist(), up.tolist(), strict=True))
