"""Steps and CPU seconds to 95 % exact success, a line for each learner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.peers.comparison import Lesson

OURS, THEIRS = "#1b6ca8", "#8a8a8a"


def draw(lessons: Sequence[Lesson], references: Mapping[str, float], path: Path) -> None:
    """Writes an SVG file: medians and quartiles on logarithmic axes, references as dotted lines; left is better."""
    matplotlib.use("svg")
    from matplotlib import pyplot
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    drawn = [one for one in lessons if one.steps is not None]
    places = range(len(drawn))
    with pyplot.rc_context({"svg.hashsalt": "wmil", "svg.fonttype": "none", "font.size": 8}):
        height = 1.2 + 0.24 * len(drawn)
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(8.5, height), sharey=True, layout="constrained")
        for place, one in zip(places, drawn, strict=True):
            colour = OURS if one.is_ours else THEIRS
            dot(left, place, colour, one.steps_low, one.steps, one.steps_high)
            dot(right, place, colour, one.seconds_low, one.seconds, one.seconds_high)
        for name, steps in references.items():
            left.axvline(steps, color="black", linestyle=":", linewidth=1)
            left.annotate(name, (steps, 1.0), xycoords=("data", "axes fraction"), rotation=20, fontsize=6)
        left.set_yticks(places, [one.name for one in drawn])
        left.invert_yaxis()
        left.set(xscale="log", xlabel="environment steps to 95 %")
        right.set(xscale="log", xlabel="CPU seconds to 95 %")
        for axes in (left, right):
            axes.grid(axis="y", color="#dddddd", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            for side in ("top", "right", "left"):
                axes.spines[side].set_visible(False)
            axes.tick_params(axis="y", length=0)
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def dot(axes: Any, place: int, colour: str, low: float | None, median: float | None, high: float | None) -> None:
    """A median between its quartiles."""
    axes.plot([low, high], [place, place], color=colour, linewidth=1.5)
    axes.plot([median], [place], "o", color=colour, markersize=4)
