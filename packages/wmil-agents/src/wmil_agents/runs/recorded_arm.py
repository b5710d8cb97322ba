"""Recorded runs grouped into arms: those that differ in nothing but their seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from wmil_agents.evaluation.interquartile_mean import interquartile_interval, interquartile_mean
from wmil_agents.runs.recorded_run import Columns, RecordedRun

Floats = npt.NDArray[np.float64]
Source = Literal["metrics", "progress"]

_OF_ONE_RUN = ("seed", "n_threads", "logging", "episodes", "checkpoints")
"""Settings in which the runs of one arm may differ: none of them changes what an arm is."""
_STEP = {"metrics": "step", "progress": "time/total_timesteps"}
_MAX_LEAVES = 1_000
_LONGEST_VALUE = 200
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Curve:
    """One number over the steps of the runs of an arm."""

    steps: Floats
    """(T,) at which all of its runs have it"""
    values: Floats
    """(n_runs, T)"""
    interval: tuple[Floats, Floats] | None = None
    """(T,) the 95 % interval that a single run's estimates came with; None where they are exact, or of several runs."""

    @cached_property
    def middle(self) -> Floats:
        """(T,) the interquartile mean over the runs."""
        return interquartile_mean(self.values)

    @cached_property
    def band(self) -> tuple[Floats, Floats] | None:
        """(T,) the ends of its 95 % interval; None for a single run of exact figures."""
        return interquartile_interval(self.values) if len(self.values) > 1 else self.interval


@dataclass(frozen=True)
class RecordedArm:
    """Runs with the same settings, but for the seed."""

    name: str
    runs: tuple[RecordedRun, ...]
    """By seed."""

    @property
    def mark(self) -> str:
        """What its runs were told besides the rewards of their own actions; empty if nothing."""
        return self.runs[0].mark

    @property
    def label(self) -> str:
        """The name with the mark."""
        return f"{self.name} ({self.mark})" if self.mark else self.name

    def curve(self, column: str, source: Source = "metrics") -> Curve | None:
        """A column over the steps that all runs with this column share; None where no step of it has a number."""
        found = [series for run in self.runs if (series := _series(getattr(run, source), column, _STEP[source]))]
        shared = sorted(set.intersection(*map(set, found))) if found else []
        if not shared:
            return None
        values = np.array([[series[step] for step in shared] for series in found])
        return Curve(np.array(shared), values, self._estimated(column, source, shared) if len(found) == 1 else None)

    def bound(self, column: str) -> float:
        """A floor or ceiling, which is the last number of its column; not-a-number where there is none."""
        numbers = [one for one in self.runs[0].metrics.get(column, []) if not math.isnan(one)]
        return numbers[-1] if numbers else math.nan

    def final(self, column: str) -> dict[int, float]:
        """The number at the last evaluation of each run, by seed; those without are left out."""
        last = {run.settings.seed: run.metrics[column][-1] for run in self.runs if run.metrics.get(column)}
        return {seed: value for seed, value in last.items() if not math.isnan(value)}

    def _estimated(self, column: str, source: Source, shared: Sequence[float]) -> tuple[Floats, Floats] | None:
        ends = [
            _series(getattr(run, source), f"{column}_{end}", _STEP[source])
            for run in self.runs
            for end in ("low", "high")
            if column in getattr(run, source)
        ]
        if len(ends) != 2 or not all(set(shared) <= end.keys() for end in ends):
            return None
        low, high = (np.array([end[step] for step in shared]) for end in ends)
        return low, high


def group_runs(runs: Sequence[RecordedRun]) -> list[RecordedArm]:
    """The arms, in the order of their first runs.

    An arm is called after its settings' name, and where arms share that, after what differs from the first of them:
    `mvp`, `mvp:agent=random`.
    """
    groups: dict[str, list[RecordedRun]] = {}
    for run in runs:
        groups.setdefault(_identity(run), []).append(run)
    arms = [tuple(sorted(group, key=lambda run: run.settings.seed)) for group in groups.values()]
    return [RecordedArm(name, group) for name, group in zip(_names(arms), arms, strict=True)]


def differing_settings(arms: Sequence[RecordedArm]) -> dict[str, tuple[str, ...]]:
    """The settings in which arms differ, each with its value in every arm."""
    flat = [flat_settings(arm.runs[0]) for arm in arms]
    names = dict.fromkeys(name for one in flat for name in one if name not in _OF_ONE_RUN)
    rows = {name: tuple(one.get(name, "-") for one in flat) for name in names if not _is_of_one_run(name)}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def flat_settings(run: RecordedRun) -> dict[str, str]:
    """Every setting by its whole name, as short text."""
    flat: dict[str, str] = {}
    for name, value in _leaves("", run.settings.model_dump(mode="json")):
        flat[name] = _text(value)
        if len(flat) == _MAX_LEAVES:
            break
    return flat


def _identity(run: RecordedRun) -> str:
    document = {name: value for name, value in run.settings.model_dump(mode="json").items() if name not in _OF_ONE_RUN}
    return json.dumps(document, sort_keys=True)


def _names(arms: Sequence[tuple[RecordedRun, ...]]) -> Iterator[str]:
    firsts: dict[str, dict[str, str]] = {}
    taken: set[str] = set()
    for runs in arms:
        name, flat = runs[0].settings.name, flat_settings(runs[0])
        if name in firsts:
            first = firsts[name]
            new = [
                f"{key}={value}" for key, value in flat.items() if first.get(key) != value and not _is_of_one_run(key)
            ]
            new += [f"{key}=" for key in first if key not in flat]
            written = f"{name}:{','.join(new)}"
            name = written if len(written) <= _LONGEST_NAME else f"{written[: _LONGEST_NAME - 1]}…"
        else:
            firsts[name] = flat
        plain, counter = name, 2
        while name in taken:
            name, counter = f"{plain} ({counter})", counter + 1
        taken.add(name)
        yield name


def _is_of_one_run(name: str) -> bool:
    return name.partition(".")[0] in _OF_ONE_RUN


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner)
    else:
        yield path, value


def _text(value: Any) -> str:
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return written if len(written) <= _LONGEST_VALUE else f"{written[: _LONGEST_VALUE - 1]}…"


def _series(columns: Columns, column: str, step: str) -> dict[float, float]:
    """The numbers of a column by their steps."""
    if column not in columns or step not in columns:
        return {}
    pairs = zip(columns[step], columns[column], strict=True)
    return {at: value for at, value in pairs if math.isfinite(value) and math.isfinite(at)}
