"""Arms compared over the same seeds: what each reaches, and what differs between pairs of runs."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wmil_agents.evaluation.intervals import Statistic, bootstrap_interval, paired_bootstrap
from wmil_agents.runs.arm import Arm
from wmil_agents.runs.comparison_plan import Plan, PlannedRun, plan_comparison
from wmil_agents.runs.difference import Answer, answer_of
from wmil_agents.runs.metrics_columns import read_metrics
from wmil_agents.runs.processes import run_side_by_side
from wmil_agents.runs.run_files import METRICS
from wmil_agents.runs.run_stopped import ComparisonStopped
from wmil_agents.runs.solved import steps_until
from wmil_agents.runs.yardstick import Yardstick
from wmil_envs.oracle import Estimated

_RESAMPLING_SEED = 0


@dataclass(frozen=True)
class Outcome:
    """What one run reached."""

    seed: int
    folder: Path
    steps: int | None
    """Environment steps until the score was at the threshold; None if it never was."""
    score: float
    """At the end, or where the arms are compared."""
    total_steps: int
    """Of the run; what `steps` counts as where it is None."""

    @property
    def counted_steps(self) -> float:
        """The steps to the threshold, or all."""
        return float(self.total_steps if self.steps is None else self.steps)


@dataclass(frozen=True)
class ArmResult:
    """What an arm reached."""

    arm: Arm
    outcomes: tuple[Outcome, ...]
    """Of the runs that ended, in the order of the seeds."""
    steps: Estimated | None
    """Median of the steps to the threshold, with its 95 % bootstrap interval; None where there is no threshold."""
    score: Estimated
    """Mean of the final scores, with its 95 % bootstrap interval."""

    @property
    def n_solved(self) -> int:
        """How many runs were at the threshold at some time."""
        return sum(outcome.steps is not None for outcome in self.outcomes)


@dataclass(frozen=True)
class Difference:
    """An arm's figure minus that of the first arm, seed by seed."""

    arm: Arm
    quantity: str
    value: Estimated
    """Median of the differences in steps, mean of those in score, with the 95 % interval of a paired bootstrap."""
    more_is_better: bool

    @property
    def answer(self) -> Answer:
        """Whether the arm is better than the first one; open where the interval has 0 in it, or says too little."""
        return answer_of(self.value, more_is_better=self.more_is_better)


@dataclass(frozen=True)
class Failure:
    """A run that did not end."""

    arm: Arm
    seed: int
    reason: str


@dataclass(frozen=True)
class Comparison:
    """What came out of a comparison."""

    plan: Plan
    results: tuple[ArmResult, ...]
    """Of the arms of which at least two runs ended, the first arm first."""
    differences: tuple[Difference, ...]
    failures: tuple[Failure, ...]

    @property
    def yardstick(self) -> Yardstick:
        """What the scores are held against."""
        return self.plan.yardstick


@dataclass(frozen=True)
class RunEnd:
    """A run that has just ended."""

    run: PlannedRun
    failure: str | None
    n_ended: int
    n_runs: int


def compare(
    arms: Sequence[Arm],
    seeds: Sequence[int],
    folder: Path,
    *,
    per_step: bool = False,
    n_processes: int | None = None,
    on_run_end: Callable[[RunEnd], None] | None = None,
    command: Sequence[str] = (),
    stop: Callable[[], str | None] | None = None,
) -> Comparison:
    """Run every arm with the same seeds, and compare each with the first one, seed by seed.

    Every run is a process of its own, with one torch thread, and writes its usual folder; one that is complete there
    with the same settings is not run again, and one that was interrupted is continued. No signal handler is installed.
    Interrupted, it ends the processes at once, and what is done is kept.

    Args:
        arms: at least two; the others are compared with the first.
        seeds: at least two; see `wmil_envs.spawn_seeds`.
        folder: where to.
        per_step: as for `common_yardstick`.
        n_processes: runs at a time; as many as there are cores if None.
        on_run_end: called after each run.
        command: the words that started the comparison, for the record.
        stop: asked some times a second; where it returns a reason, every run writes a checkpoint and ends.

    Raises:
        InputError: the arms cannot be compared, or the folder cannot hold them; then nothing has been written.
        ComparisonStopped: `stop` asked for it.
    """
    plan = plan_comparison(arms, seeds, folder, per_step=per_step)
    return carry_out(plan, n_processes=n_processes, on_run_end=on_run_end, command=command, stop=stop)


def carry_out(
    plan: Plan,
    *,
    n_processes: int | None = None,
    on_run_end: Callable[[RunEnd], None] | None = None,
    command: Sequence[str] = (),
    stop: Callable[[], str | None] | None = None,
) -> Comparison:
    """Run what a plan lacks, and compare; the arguments are those of `compare`."""
    lacking = [run for seed in plan.seeds for run in plan.runs if run.seed == seed and not run.is_done]
    failures: list[Failure] = []
    n_ended = 0

    def end(place: int, failure: str | None) -> None:
        nonlocal n_ended
        n_ended += 1
        run = lacking[place]
        if failure is not None:
            failures.append(Failure(run.arm, run.seed, failure))
        if on_run_end is not None:
            on_run_end(RunEnd(run, failure, n_ended, len(lacking)))

    tasks = [(run.settings, run.folder.absolute()) for run in lacking]
    reason = run_side_by_side(tasks, n_processes or os.cpu_count() or 1, end, command, stop)
    if reason is not None:
        raise ComparisonStopped(plan.folder, reason)
    failed = {(failure.arm.name, failure.seed) for failure in failures}
    results = [
        _result(arm, plan, place, [run for run in plan.of(arm) if (arm.name, run.seed) not in failed])
        for place, arm in enumerate(plan.arms)
    ]
    told = tuple(result for result in results if result is not None)
    return Comparison(plan, told, _differences(plan, told), tuple(failures))


def read_outcome(run: PlannedRun, yardstick: Yardstick, divisor: int) -> Outcome:
    """What a finished run reached, from its metrics.csv.

    Of an estimate the lower end of its interval has to be at the threshold, as for the verdict on a run.
    """
    columns = read_metrics(run.folder / METRICS)
    last = len(columns["step"])
    if yardstick.last_step is not None:
        last = sum(step <= yardstick.last_step for step in columns["step"])
    scores = np.array(columns[yardstick.column][:last]) / divisor
    lows = np.array(columns[f"{yardstick.column}_low"][:last]) / divisor
    threshold = math.inf if yardstick.threshold is None else yardstick.threshold
    steps = steps_until(columns["step"][:last], scores.tolist(), lows.tolist(), threshold)
    return Outcome(run.seed, run.folder, steps, float(scores[-1]), int(columns["step"][last - 1]))


def _result(arm: Arm, plan: Plan, place: int, runs: Sequence[PlannedRun]) -> ArmResult | None:
    if len(runs) < 2:
        return None
    outcomes = tuple(read_outcome(run, plan.yardstick, plan.yardstick.divisors[place]) for run in runs)
    steps = None
    if plan.yardstick.threshold is not None:
        steps = _estimate([outcome.counted_steps for outcome in outcomes], np.median)
    return ArmResult(arm, outcomes, steps, _estimate([outcome.score for outcome in outcomes], np.mean))


def _estimate(values: Sequence[float], statistic: Statistic) -> Estimated:
    interval = bootstrap_interval(values, statistic, np.random.default_rng(_RESAMPLING_SEED))
    return Estimated(float(statistic(np.array(values), axis=0)), len(values), interval)


def _differences(plan: Plan, results: Sequence[ArmResult]) -> tuple[Difference, ...]:
    if not results or results[0].arm is not plan.arms[0]:
        return ()
    first, *others = results
    found: list[Difference] = []
    for other in others:
        pairs = [(a, b) for a in first.outcomes for b in other.outcomes if a.seed == b.seed]
        if len(pairs) < 2:
            continue
        if plan.yardstick.threshold is not None:
            steps = [(a.counted_steps, b.counted_steps) for a, b in pairs]
            quantity = "steps to the threshold"
            found.append(Difference(other.arm, quantity, _paired(steps, np.median), more_is_better=False))
        scores = [(a.score, b.score) for a, b in pairs]
        found.append(Difference(other.arm, plan.yardstick.score, _paired(scores, np.mean), more_is_better=True))
    return tuple(found)


def _paired(pairs: Sequence[tuple[float, float]], statistic: Statistic) -> Estimated:
    first, second = zip(*pairs, strict=True)
    value, interval = paired_bootstrap(first, second, statistic, np.random.default_rng(_RESAMPLING_SEED))
    return Estimated(value, len(pairs), interval)
