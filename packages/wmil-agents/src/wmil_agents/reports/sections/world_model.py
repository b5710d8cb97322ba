"""The world model's skill at each attribute of the next observation."""

from __future__ import annotations

from collections.abc import Sequence

from wmil_agents.evaluation.quantity import figure_text
from wmil_agents.plots.panels import attribute_panels
from wmil_agents.reports.blocks import Missing, grid, legend, note, numbers, section, table
from wmil_agents.reports.curve_chart import curve_figure
from wmil_agents.reports.markup import Markup
from wmil_agents.runs.recorded_arm import RecordedArm

_ERRORS = ("error", "floor", "mean_error", "on_policy_error", "skill")
_HEADINGS = ("error", "floor", "looking at nothing", "on the policy's actions", "skill")
_MOST = 12


def world_model(arms: Sequence[RecordedArm]) -> Markup | Missing:
    """The section."""
    panels = attribute_panels(arms)
    names = [panel.title for panel in panels]
    if not names:
        return Missing("World model", "there is none, or no table of the world to hold it against")
    figures = {panel.title: curve_figure(arms, panel) for panel in panels[:_MOST]}
    remarks = ["1 is the least error possible, 0 that of the best prediction that looks at nothing."]
    unpredictable = [name for name, figure in figures.items() if figure is None]
    if unpredictable:
        remarks.append(f"Not predictable, so without a skill: {', '.join(unpredictable)}.")
    if len(names) > _MOST:
        remarks.append(f"The first {_MOST} of {len(names)} attributes are drawn.")
    return section(
        "world-model",
        "World model, attribute by attribute",
        legend(arms),
        grid([figure for figure in figures.values() if figure is not None]),
        note(" ".join(remarks)),
        numbers("Errors at the end", _table(arms, names)),
    )


def _table(arms: Sequence[RecordedArm], names: Sequence[str]) -> Markup:
    rows = []
    for arm in arms:
        for suffix, name in (("", "mean"), *((f"/{name}", name) for name in names)):
            figures = [_mean(arm, f"world_model_{error}{suffix}") for error in _ERRORS]
            rows.append([arm.name, name, *figures])
    return table(["arm", "attribute", *_HEADINGS], rows, figures_from=2)


def _mean(arm: RecordedArm, column: str) -> str:
    values = list(arm.final(column).values())
    return figure_text(sum(values) / len(values)) if values else "-"
