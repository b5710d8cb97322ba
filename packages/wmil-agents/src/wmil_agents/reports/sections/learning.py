"""Learning curves: the score, the entropy of the policy and the skill of its world model."""

from __future__ import annotations

from collections.abc import Sequence

from wmil_agents.plots.panels import learning_panels
from wmil_agents.reports.blocks import Missing, grid, legend, note, section
from wmil_agents.reports.curve_chart import curve_figures
from wmil_agents.reports.markup import Markup
from wmil_agents.runs.recorded_arm import RecordedArm


def learning(arms: Sequence[RecordedArm], column: str) -> Markup | Missing:
    """The section."""
    shown = curve_figures(arms, learning_panels(arms, column))
    if not shown:
        return Missing("Learning curves", "no evaluation was recorded")
    return section("learning", "Learning curves", legend(arms), grid(shown), note(_what_is_drawn(arms)))


def _what_is_drawn(arms: Sequence[RecordedArm]) -> str:
    if any(len(arm.runs) > 1 for arm in arms):
        words = "Lines are interquartile means over the seeds, bands their 95 % bootstrap intervals at each step."
        return f"{words} Faint lines are the runs." if len(arms) == 1 else words
    return "The band is the 95 % interval where the figures were estimated from episodes; exact figures have none."
