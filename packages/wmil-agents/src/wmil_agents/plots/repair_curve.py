"""What surgeons regain for so many evaluations: a curve of searches, and a point for every other arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wmil_agents.evaluation.intervals import Interval
from wmil_agents.plots.style import BLUE, FAINT, INK, ORANGE, STYLE

NAME = "repair"
_FEWEST = 1.0
"""Evaluations at which an arm is drawn that needs none, since the axis is a logarithm."""
_LEFT_BELOW = 10.0
"""Where names stand at the left of their points, since the curve is at the right."""
_ROOM = 4.0
"""For names at the right end, as a factor."""
_BESIDE = 1.07
"""A factor that sets a point beside another one that it would hide."""
_LOWEST, _HIGHEST = -0.5, 1.06


@dataclass(frozen=True)
class Point:
    """One arm."""

    name: str
    evaluations: float
    """For one repair."""
    share: float
    """Of what was lost, regained."""
    interval: Interval
    is_on_curve: bool = False
    """Whether it is a search, of which a curve is drawn over the numbers of evaluations."""


def draw_repair(
    points: Sequence[Point], folder: Path, title: str = "Share of the lost score regained, with 95 % intervals"
) -> list[Path]:
    """Draw repair.svg and repair.png; the first point is the one that the others are compared with.

    Returns:
        The files written; none where there are no points.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not points:
        return []
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.4), layout="constrained")
        FigureCanvasAgg(figure)
        ax = figure.subplots()
        for height, words in ((0.0, "as damaged"), (1.0, "as healthy")):
            ax.axhline(height, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
            ax.annotate(
                words,
                (1.0, height),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="right",
                color=FAINT,
                fontsize=9,
            )
        curve = sorted((point for point in points if point.is_on_curve), key=lambda point: point.evaluations)
        if curve:
            xs = [point.evaluations for point in curve]
            lows, highs = zip(*(point.interval for point in curve), strict=True)
            ax.fill_between(xs, lows, highs, color=BLUE, alpha=0.16, linewidth=0)
            ax.plot(xs, [point.share for point in curve], "o-", color=BLUE, linewidth=2.2)
            ax.annotate(
                "evolution strategy",
                (xs[-1], curve[-1].share),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                color=BLUE,
                fontsize=9.5,
            )
        others = [point for point in points if not point.is_on_curve]
        for place, point in enumerate(others):
            colour = ORANGE if place == 0 else INK
            low, high = point.interval
            n_there = sum(_hide_each_other(point, other) for other in others[:place])
            x = max(point.evaluations, _FEWEST) * _BESIDE**n_there
            ax.plot([x, x], [low, high], color=colour, linewidth=1.6)
            ax.plot([x], [point.share], "D" if place == 0 else "s", color=colour, markersize=7 if place == 0 else 5)
            is_at_right = n_there > 0 or not _FEWEST < x < _LEFT_BELOW
            ax.annotate(
                point.name,
                (x, point.share),
                xytext=(8 if is_at_right else -8, 0),
                textcoords="offset points",
                ha="left" if is_at_right else "right",
                va="center",
                color=colour,
                fontsize=9.5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            )
        ax.set_xscale("log")
        ax.set_xlim(0.8, _ROOM * max(_LEFT_BELOW, *(point.evaluations for point in points)))
        ax.xaxis.set_major_formatter(lambda number, _: f"{number:,.0f}")
        lowest = min(point.interval[0] for point in points)
        ax.set_ylim(min(-0.06, max(_LOWEST, lowest - 0.04)), _HIGHEST)
        ax.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        ax.set_title(title)
        ax.set_xlabel("evaluations for one repair (those that need none are at 1)")
        files = [folder / f"{NAME}.{ending}" for ending in ("svg", "png")]
        figure.savefig(files[0], metadata={"Date": None})
        figure.savefig(files[1], dpi=160)
    return files


def _hide_each_other(first: Point, second: Point) -> bool:
    """Whether the intervals of two arms would be drawn on top of each other."""
    if first.evaluations != second.evaluations:
        return False
    return first.interval[0] <= second.interval[1] and second.interval[0] <= first.interval[1]
