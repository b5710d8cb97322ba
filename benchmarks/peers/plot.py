"""Steps against CPU seconds to 95 % exact success, a point for each learner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

from benchmarks.peers.comparison import Lesson

OURS, THEIRS = "#1b6ca8", "#8a8a8a"


def draw(lessons: Sequence[Lesson], references: Mapping[str, float], path: Path) -> None:
    """Writes an SVG file: medians with quartiles, references as lines; down and left is better."""
    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.hashsalt": "wmil", "font.size": 9}):
        figure, axes = pyplot.subplots(figsize=(7.5, 4.2), layout="constrained")
        for one in lessons:
            if one.steps is None or one.seconds is None:
                continue
            assert one.steps_low is not None
            assert one.steps_high is not None
            assert one.seconds_low is not None
            assert one.seconds_high is not None
            axes.errorbar(
                one.seconds,
                one.steps,
                xerr=[[one.seconds - one.seconds_low], [one.seconds_high - one.seconds]],
                yerr=[[one.steps - one.steps_low], [one.steps_high - one.steps]],
                fmt="o",
                color=OURS if one.is_ours else THEIRS,
                capsize=2,
            )
            axes.annotate(one.name, (one.seconds, one.steps), xytext=(5, 4), textcoords="offset points", fontsize=7)
        beside_the_axis = axes.get_yaxis_transform()
        for name, steps in references.items():
            axes.axhline(steps, color="black", linestyle=":", linewidth=1)
            axes.text(1.0, steps, f"{name} ", transform=beside_the_axis, ha="right", va="bottom", fontsize=7)
        axes.set(xscale="log", yscale="log", xlabel="CPU seconds to 95 %", ylabel="environment steps to 95 %")
        axes.margins(x=0.25, y=0.1)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)
