"""What recorded arms do at every level of their world, with floors and ceilings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wmil_agents.evaluation.interquartile_mean import interquartile_interval, interquartile_mean
from wmil_agents.runs.recorded_arm import RecordedArm
from wmil_agents.runs.recorded_run import dicts_in


@dataclass(frozen=True)
class ArmScore:
    """What one arm has."""

    runs: tuple[float, ...]

    @property
    def middle(self) -> float:
        """The interquartile mean over its runs."""
        return float(interquartile_mean(np.array(self.runs)[:, None])[0])

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % bootstrap interval; None for a single run."""
        if len(self.runs) < 2:
            return None
        low, high = interquartile_interval(np.array(self.runs)[:, None])
        return float(low[0]), float(high[0])


@dataclass(frozen=True)
class LevelScores:
    """The success at one level."""

    name: str
    is_trained: bool
    """Whether any run was trained at it."""
    scores: Mapping[int, ArmScore]
    """By the place of the arm; those without a number are left out."""
    floor: float
    """Chance; not-a-number where the arms have no common one."""
    ceiling: float


def level_scores(arms: Sequence[RecordedArm]) -> list[LevelScores]:
    """The levels that the runs' files name, in their order; none where no run has such a file."""
    documents = [run.levels for arm in arms for run in arm.runs if run.levels is not None]
    names = dict.fromkeys(_name(level) for document in documents for level in dicts_in(document, "levels"))
    return [_level(arms, name) for name in names]


def _level(arms: Sequence[RecordedArm], name: str) -> LevelScores:
    scores: dict[int, ArmScore] = {}
    floors, ceilings, is_trained = [], [], False
    for place, arm in enumerate(arms):
        values = []
        for document in (run.levels for run in arm.runs if run.levels is not None):
            for i, level in enumerate(dicts_in(document, "levels")):
                if _name(level) != name:
                    continue
                is_trained |= document.get("trained") == i
                values.append(_value(level, "success"))
                floors.append(_value(level.get("oracle"), "random_success"))
                ceilings.append(_value(level, "success_ceiling"))
        known = tuple(value for value in values if math.isfinite(value))
        if known:
            scores[place] = ArmScore(known)
    return LevelScores(name, is_trained, scores, _common(floors), _common(ceilings))


def _name(level: Mapping[str, Any]) -> str:
    return str(level.get("name"))


def _value(document: object, quantity: str) -> float:
    """The value of a quantity as `plain_quantity` writes it; not-a-number where there is none."""
    inner = document.get(quantity) if isinstance(document, dict) else None
    value = inner.get("value") if isinstance(inner, dict) else None
    return float(value) if isinstance(value, int | float) else math.nan


def _common(bounds: Sequence[float]) -> float:
    return bounds[0] if bounds and max(bounds) - min(bounds) < 1e-9 else math.nan
