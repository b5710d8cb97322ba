"""The figure of one column over the steps, for all arms, and the table of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from wmil_agents.evaluation.quantity import figure_text
from wmil_agents.plots.panels import Panel
from wmil_agents.reports.blocks import figure, numbers, table
from wmil_agents.reports.line_chart import Axis, Line, line_chart
from wmil_agents.reports.markup import Markup
from wmil_agents.reports.scale import percent, short_number
from wmil_agents.runs.recorded_arm import Curve, RecordedArm

_N_ROWS = 13
_MOST_RUNS = 12
"""Runs of a single arm that are drawn one by one."""


def curve_figures(arms: Sequence[RecordedArm], panels: Sequence[Panel]) -> list[Markup]:
    """A figure with its numbers for each panel that any arm has something for."""
    figures = [curve_figure(arms, panel) for panel in panels]
    return [figure for figure in figures if figure is not None]


def curve_figure(arms: Sequence[RecordedArm], panel: Panel) -> Markup | None:
    """The figure of one panel; None where no arm has its column."""
    found = {i: arm.curve(panel.column, panel.source) for i, arm in enumerate(arms)}
    curves = {place: curve for place, curve in found.items() if curve is not None}
    if not curves:
        return None
    last_step = max(float(curve.steps[-1]) for curve in curves.values())
    lines = [_line(place, curve, alone=len(arms) == 1) for place, curve in curves.items()]
    axis = Axis(panel.title, panel.low, panel.high, percent if panel.is_share else short_number)
    chart = line_chart(panel.title, _sentence(arms, curves, axis.text), lines, panel.levels, axis, last_step)
    return figure(panel.title, [chart, numbers("Numbers", _table(arms, curves))])


def _line(place: int, curve: Curve, *, alone: bool) -> Line:
    is_shown = alone and 1 < len(curve.values) <= _MOST_RUNS
    return Line(place, curve.steps, curve.middle, curve.band, curve.values if is_shown else None)


def _sentence(arms: Sequence[RecordedArm], curves: Mapping[int, Curve], text: Callable[[float], str]) -> str:
    ends = [
        f"{arms[place].name} from {text(_four(curve.middle[0]))} to {text(_four(curve.middle[-1]))}"
        for place, curve in curves.items()
    ]
    steps = max(int(curve.steps[-1]) for curve in curves.values())
    return f"Over {steps:,} environment steps: {'; '.join(ends)}"


def _four(value: float) -> float:
    return float(f"{value:.4g}")


def _table(arms: Sequence[RecordedArm], curves: Mapping[int, Curve]) -> Markup:
    """Some evaluations, evenly chosen; the first and the last are among them."""
    steps = sorted(set.union(*(set(curve.steps.tolist()) for curve in curves.values())))
    chosen = [steps[i] for i in sorted(set(np.linspace(0, len(steps) - 1, _N_ROWS).round().astype(int).tolist()))]
    headings = ["step", *(arms[place].name for place in curves)]
    by_step = [{step: i for i, step in enumerate(curve.steps.tolist())} for curve in curves.values()]
    rows = [
        [f"{step:,.0f}", *(_cell(curve, at.get(step)) for curve, at in zip(curves.values(), by_step, strict=True))]
        for step in chosen
    ]
    return table(headings, rows)


def _cell(curve: Curve, at: int | None) -> str:
    if at is None:
        return "-"
    middle = figure_text(float(curve.middle[at]))
    if curve.band is None:
        return middle
    low, high = (figure_text(float(end[at])) for end in curve.band)
    return f"{middle} [{low}, {high}]"
