"""The components of the reward while it was learnt from."""

from __future__ import annotations

from collections.abc import Sequence

from wmil_agents.plots.panels import component_panels
from wmil_agents.reports.blocks import Missing, grid, legend, note, section
from wmil_agents.reports.curve_chart import curve_figures
from wmil_agents.reports.markup import Markup
from wmil_agents.runs.recorded_arm import RecordedArm


def rewards(arms: Sequence[RecordedArm]) -> Markup | Missing:
    """The section."""
    shown = curve_figures(arms, component_panels())
    if not shown:
        return Missing("Reward components", "the environments tell them with env.arguments.info=full")
    remark = (
        "Goal is the judge's score, prediction what the world model foresaw, consistency whether the answer was "
        "the same as last time. Means over the training steps since the row before, unweighted."
    )
    return section("rewards", "Reward components", legend(arms), grid(shown), note(remark))
