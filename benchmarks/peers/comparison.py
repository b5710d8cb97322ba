"""What a contest came to: one row for each contestant, beside the row of ours that it is compared with."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from csv import DictReader
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.peers.contest import Outcome, hold
from benchmarks.peers.rows import COURSES, ENVIRONMENTS, FULL_TURNS, SHORT_TURNS, Course, counterpart

READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "bool": "True".__eq__,
    "int": int,
    "float | None": lambda text: float(text) if text else None,
}
"""How a field of each type is read from a CSV file."""


@dataclass(frozen=True)
class Rate:
    """How fast an environment is stepped."""

    name: str
    peer: str
    is_ours: bool
    n_envs: int
    turns: int
    steps_per_second: float | None
    """Per CPU second, median over the turns; None if the contestant could not take part."""
    low: float | None
    high: float | None
    """Quartiles."""
    compared_with: str
    ratio: float | None
    """How many times as fast that row of ours is, median over the turns; None for ours."""
    reason: str = ""
    """Why it could not take part."""


@dataclass(frozen=True)
class Lesson:
    """How fast a learner reaches 95 % exact success in a world."""

    world: str
    env_id: str
    budget: int
    """Steps after which a run is given up."""
    name: str
    peer: str
    is_ours: bool
    seeds: int
    solved: int
    arguments: str
    remark: str = ""
    reason: str = ""
    """Why it could not take part."""
    steps: float | None = None
    """Median; an unsolved run counts as one that took the whole budget."""
    steps_low: float | None = None
    steps_high: float | None = None
    """Quartiles."""
    worst: float | None = None
    seconds: float | None = None
    """CPU seconds, median."""
    seconds_low: float | None = None
    seconds_high: float | None = None
    steps_ratio: float | None = None
    """How many times the steps of the row of ours that the others are compared with; None if either was given up."""
    seconds_ratio: float | None = None
    """How many times its CPU seconds."""

    @property
    def is_given_up(self) -> bool:
        """Whether so few runs got there that the median is of those which did not."""
        return self.steps is not None and self.solved < self.seeds and self.steps >= self.budget


Entry = TypeVar("Entry", Rate, Lesson)


def compare_environments(short: bool) -> list[Rate]:
    """Everybody steps, turn by turn; environments of one size stand together."""
    rates: list[Rate] = []
    sizes = sorted({one.arguments["n_envs"] for one in ENVIRONMENTS}, reverse=True)
    for n_envs in sizes:
        chosen = [one for one in ENVIRONMENTS if one.arguments["n_envs"] == n_envs and (one.is_short or not short)]
        outcomes = hold(chosen, [{}] * (SHORT_TURNS if short else FULL_TURNS))
        times = {outcome.contestant.name: _column(outcome, "microseconds") for outcome in outcomes}
        rates += [rate(outcome, times) for outcome in outcomes]
    return rates


def compare_learners(short: bool) -> list[Lesson]:
    """Everybody learns, world by world and seed by seed."""
    lessons: list[Lesson] = []
    for course in COURSES:
        requests = course.requests(short)
        if not requests:
            continue
        outcomes = hold(course.contestants(short), requests)
        ours = next(outcome for outcome in outcomes if outcome.contestant.name == course.reference)
        lessons += [lesson(outcome, ours, course) for outcome in outcomes]
    return lessons


def rate(outcome: Outcome, times: dict[str, list[float]]) -> Rate:
    """The row of one contestant; `times` are everybody's microseconds a step."""
    contestant = outcome.contestant
    n_envs, other = contestant.arguments["n_envs"], counterpart(contestant)
    head = (contestant.name, contestant.peer, contestant.is_ours, n_envs)
    own = times[contestant.name]
    if outcome.reason:
        return Rate(
            contestant.name,
            contestant.peer,
            contestant.is_ours,
            n_envs,
            0,
            None,
            None,
            None,
            other,
            None,
            outcome.reason,
        )
    low, median, high = quartiles([1e6 / time for time in own])
    ratio = None
    if not contestant.is_ours and len(times.get(other, [])) == len(own):
        ratio = statistics.median(theirs / our for theirs, our in zip(own, times[other], strict=True))
    return Rate(*head, len(own), median, low, high, other, ratio)


def lesson(outcome: Outcome, ours: Outcome, course: Course) -> Lesson:
    """The row of one learner."""
    contestant = outcome.contestant
    head = (course.name, course.env_id, course.budget, contestant.name, contestant.peer, contestant.is_ours)
    arguments = json.dumps(dict(contestant.arguments))
    if outcome.reason:
        return Lesson(*head, 0, 0, arguments, contestant.remark, outcome.reason)
    steps, seconds = _steps(outcome, course), _column(outcome, "seconds")
    steps_low, steps_median, steps_high = quartiles(steps)
    seconds_low, seconds_median, seconds_high = quartiles(seconds)
    steps_ratio = seconds_ratio = None
    if contestant is not ours.contestant and not ours.reason:
        our_steps = statistics.median(_steps(ours, course))
        if max(steps_median, our_steps) < course.budget:
            steps_ratio = steps_median / our_steps
            seconds_ratio = seconds_median / statistics.median(_column(ours, "seconds"))
    return Lesson(
        *head,
        seeds=len(steps),
        solved=sum(answer["steps"] is not None for answer in outcome.answers),
        arguments=arguments,
        remark=contestant.remark,
        steps=steps_median,
        steps_low=steps_low,
        steps_high=steps_high,
        worst=max(steps),
        seconds=seconds_median,
        seconds_low=seconds_low,
        seconds_high=seconds_high,
        steps_ratio=steps_ratio,
        seconds_ratio=seconds_ratio,
    )


def quartiles(numbers: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile."""
    if len(numbers) == 1:
        return numbers[0], numbers[0], numbers[0]
    low, median, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return low, median, high


def as_rows(entries: Sequence[Rate | Lesson]) -> list[dict[str, Any]]:
    """For a CSV file."""
    return [asdict(entry) for entry in entries]


def read_rows(path: Path, kind: type[Entry]) -> list[Entry]:
    """What was written as a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(DictReader(file))
    return [kind(**{one.name: READERS[str(one.type)](row[one.name]) for one in fields(kind)}) for row in rows]


def _column(outcome: Outcome, name: str) -> list[float]:
    return [answer[name] for answer in outcome.answers]


def _steps(outcome: Outcome, course: Course) -> list[float]:
    return [float(course.budget if answer["steps"] is None else answer["steps"]) for answer in outcome.answers]
