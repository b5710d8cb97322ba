"""What the trained policies do at every level of their world."""

from __future__ import annotations

from collections.abc import Sequence

from wmil_agents.evaluation.quantity import figure_text
from wmil_agents.plots.level_scores import LevelScores, level_scores
from wmil_agents.reports.blocks import Missing, figure, legend, numbers, section, table
from wmil_agents.reports.dot_chart import Dot, DotRow, dot_chart
from wmil_agents.reports.markup import Markup
from wmil_agents.reports.scale import percent
from wmil_agents.runs.recorded_arm import RecordedArm

_HEADING = "Success by level"


def levels(arms: Sequence[RecordedArm]) -> Markup | Missing:
    """The section."""
    found = [level for level in level_scores(arms) if level.scores]
    if not found:
        words = "a run writes levels.json at its end, where the policy can be evaluated exactly at every level"
        return Missing(_HEADING, words)
    chart = dot_chart(_HEADING, _sentence(arms, found), [_row(level) for level in found], 0.0, 1.0, percent)
    cells = [
        [level.name, arms[place].name, *map(figure_text, (score.middle, level.floor, level.ceiling))]
        for level in found
        for place, score in level.scores.items()
    ]
    values = numbers("Numbers", table(["level", "arm", "success", "chance", "best possible"], cells, figures_from=2))
    trained = ", ".join(level.name for level in found if level.is_trained)
    remark = f"Dashed: chance and best possible. Trained at: {trained or 'none of these'}."
    return section("levels", _HEADING, legend(arms), figure("At the end", [chart, values], remark))


def _row(level: LevelScores) -> DotRow:
    dots = [
        Dot(place, score.middle, score.interval, score.runs if len(score.runs) > 1 else ())
        for place, score in level.scores.items()
    ]
    return DotRow(level.name, dots, level.floor, level.ceiling)


def _sentence(arms: Sequence[RecordedArm], found: Sequence[LevelScores]) -> str:
    return "; ".join(
        f"{level.name}: {', '.join(f'{arms[i].name} {percent(score.middle)}' for i, score in level.scores.items())}"
        for level in found
    )
