"""What is drawn of recorded arms: each panel is a column over the steps, with its floors and ceilings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wmil_agents.runs.recorded_arm import RecordedArm, Source

_BOUNDS = {
    "success": {"chance": "random_success", "best possible": "success_ceiling"},
    "return": {"random": "random_return", "best memoryless": "memoryless_return", "optimal": "optimal_return"},
}
_COMPONENTS = {"goal": "Goal", "pred": "Prediction", "cons": "Consistency"}
_SKILL = "world_model_skill"
_ALIKE = 1e-9


@dataclass(frozen=True)
class Panel:
    """One column over the steps."""

    title: str
    column: str
    source: Source = "metrics"
    levels: Mapping[str, float] = field(default_factory=dict)
    """Floors and ceilings by name."""
    low: float | None = None
    """Where the axis begins, unless a line goes below; None for where the lines do."""
    high: float | None = None
    """Where it ends, in the same way."""
    is_share: bool = False
    """Whether it is written in percent."""


def score_column(arms: Sequence[RecordedArm]) -> str:
    """`success` where any arm tells it, else `return`."""
    return "success" if any(arm.final("success") for arm in arms) else "return"


def score_bounds(arms: Sequence[RecordedArm], column: str) -> dict[str, float]:
    """Floors and ceilings by name; where arms differ in one, each has its own."""
    return _common(arms, _BOUNDS[column])


def differing_bound(one: RecordedArm, other: RecordedArm) -> str | None:
    """The name of a floor or ceiling in which two arms differ; None where all are alike."""
    for columns in _BOUNDS.values():
        for name, column in columns.items():
            a, b = one.bound(column), other.bound(column)
            if math.isnan(a) != math.isnan(b) or abs(a - b) > _ALIKE:
                return name
    return None


def score_panel(arms: Sequence[RecordedArm], column: str) -> Panel:
    """Success or return."""
    bounds = score_bounds(arms, column)
    if column == "success":
        return Panel("Success", column, levels=bounds, low=0.0, high=1.08, is_share=True)
    return Panel("Return", column, levels=bounds)


def learning_panels(arms: Sequence[RecordedArm], column: str) -> list[Panel]:
    """The score, the entropy of the policy and the skill of its world model."""
    skill = {"looks at nothing": 0.0, "least error possible": 1.0}
    return [
        score_panel(arms, column),
        Panel("Entropy of the policy (nats)", "entropy", levels=_common(arms, {"uniform": "max_entropy"}), low=0.0),
        Panel("Skill of the world model", _SKILL, levels=skill, high=1.15),
    ]


def component_panels() -> list[Panel]:
    """The components of the reward, from the training log."""
    return [Panel(title, f"reward/{name}", "progress", low=0.0, high=1.0) for name, title in _COMPONENTS.items()]


def attribute_panels(arms: Sequence[RecordedArm]) -> list[Panel]:
    """The world model's skill at each attribute."""
    columns = dict.fromkeys(
        column for arm in arms for run in arm.runs for column in run.metrics if column.startswith(f"{_SKILL}/")
    )
    levels = {"looks at nothing": 0.0, "least error possible": 1.0}
    return [Panel(column.removeprefix(f"{_SKILL}/"), column, levels=levels, high=1.15) for column in columns]


def _common(arms: Sequence[RecordedArm], columns: Mapping[str, str]) -> dict[str, float]:
    """The bounds in these columns by name; where arms differ in one, each has its own."""
    bounds: dict[str, float] = {}
    for name, column in columns.items():
        values = {arm.name: arm.bound(column) for arm in arms}
        known = [value for value in values.values() if not math.isnan(value)]
        if known and max(known) - min(known) <= _ALIKE:
            bounds[name] = known[0]
        else:
            bounds |= {f"{name}, {arm}": value for arm, value in values.items() if not math.isnan(value)}
    return bounds
