"""What surgeons regain for so many evaluations: a curve of searches, and a point for every other arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wmil_agents.evaluation.intervals import Interval
from wmil_agents.plots.style import ARMS, BLUE, FAINT, INK, ORANGE, STYLE

NAME = "repair"
_FEWEST = 1.0
"""Evaluations at which an arm is drawn that needs none, since the axis is a logarithm."""
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


def draw_repair(points: Sequence[Point], folder: Path, title: str = "Share of the lost score regained") -> list[Path]:
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
            ax.plot(xs, [point.share for point in curve], "o-", color=BLUE, linewidth=2.2, label="evolution strategy")
        others = [point for point in points if not point.is_on_curve]
        colours = [ORANGE, *(colour for colour in ARMS if colour not in (BLUE, ORANGE))]
        markers = "DsvP^X<>*h"
        beside = _beside(others)
        for place, point in enumerate(others):
            low, high = point.interval
            ax.errorbar(
                [max(point.evaluations, _FEWEST) * beside[place]],
                [point.share],
                [[max(point.share - low, 0.0)], [max(high - point.share, 0.0)]],
                fmt=markers[place % len(markers)],
                color=colours[place % len(colours)],
                markersize=7,
                elinewidth=1.6,
                label=point.name,
            )
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda number, _: f"{number:,.0f}")
        lowest = min(point.interval[0] for point in points)
        ax.set_ylim(min(-0.06, max(_LOWEST, lowest - 0.04)), _HIGHEST)
        ax.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        ax.set_title(title)
        ax.set_xlabel("evaluations for one repair (those that need none are at 1)")
        figure.legend(
            loc="outside right center",
            frameon=False,
            labelcolor=INK,
            fontsize=9.5,
            title="with 95 % intervals",
            title_fontsize=9.5,
            alignment="left",
        )
        files = [folder / f"{NAME}.{ending}" for ending in ("svg", "png")]
        figure.savefig(files[0], metadata={"Date": None})
        figure.savefig(files[1], dpi=160)
    return files


def _beside(points: Sequence[Point]) -> list[float]:
    """Factors that set points with about as many evaluations side by side, so that none hides another."""
    factors: list[float] = []
    for place, point in enumerate(points):
        n_before = sum(0.7 < (other.evaluations + 1e-9) / (point.evaluations + 1e-9) < 1.4 for other in points[:place])
        factors.append(1.0 + 0.12 * ((n_before + 1) // 2) * (1 if n_before % 2 else -1))
    return factors
