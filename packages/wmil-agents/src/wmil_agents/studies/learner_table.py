"""What surgery did to healthy learners, as a table: how they end, and how often an edit was kept by mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wmil_agents.evaluation.intervals import mean_interval, paired_bootstrap, wilson_interval
from wmil_agents.studies.learner_cases import LearnerCase
from wmil_agents.studies.learner_run import NOBODY, LearnerRun

HEADER = (
    "learner",
    "surgeon",
    "exact success",
    "difference",
    "steps to 95 %",
    "difference",
    "operations",
    "harmful",
    "kept",
    "kept by mistake",
    "share of operations",
)


@dataclass(frozen=True)
class FalseKeeps:
    """Edits that were kept although they did no good."""

    n_operations: int
    n_harmful: int
    """Operations whose edit changed the exact success in the whole world by 0 or less, kept or not."""
    n_kept: int
    n_false: int
    """Of the harmful ones, those that were kept."""
    n_false_unseen: int | None
    """Kept edits that did no good on the items that were never seen; None where there are no such items."""

    @classmethod
    def of(cls, runs: Sequence[LearnerRun]) -> FalseKeeps:
        """Counted over all operations of some runs."""
        changes = [change for run in runs for change in run.changes]
        kept = [change for change in changes if change.kept]
        unseen = [change.unseen for change in kept]
        return cls(
            n_operations=len(changes),
            n_harmful=sum(change.whole <= 0.0 for change in changes),
            n_kept=len(kept),
            n_false=sum(change.whole <= 0.0 for change in kept),
            n_false_unseen=None if np.isnan(unseen).any() else sum(one <= 0.0 for one in unseen),
        )

    @property
    def rate(self) -> float:
        """As a share of all operations."""
        return self.n_false / self.n_operations

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, of the rate."""
        return wilson_interval(self.n_false, self.n_operations)


def learner_rows(case: LearnerCase, runs: Mapping[str, Sequence[LearnerRun]]) -> list[tuple[str, ...]]:
    """One row for each arm of a learner.

    Args:
        case: the learner.
        runs: of each arm, the same seeds in the same order; `NOBODY` is one of them.
    """
    return [_row(case, arm, of_arm, runs[NOBODY]) for arm, of_arm in runs.items()]


def _row(case: LearnerCase, arm: str, runs: Sequence[LearnerRun], nobody: Sequence[LearnerRun]) -> tuple[str, ...]:
    success, before = [run.success for run in runs], [run.success for run in nobody]
    low, high = mean_interval(success)
    steps, steps_before = _steps(case, runs), _steps(case, nobody)
    n_solved = sum(run.steps is not None for run in runs)
    cells = [case.name, arm, f"{np.mean(success):.4f} [{low:.4f}, {high:.4f}]"]
    timed = f"{np.median(steps):,.0f} ({n_solved} of {len(runs)})" if n_solved else f"none of {len(runs)}"
    if arm == NOBODY:
        return (*cells, "", timed, *[""] * 6)
    counted = FalseKeeps.of(runs)
    lowest, highest = counted.interval
    cells += [_difference(before, success, ".5f"), timed]
    cells += [_difference(steps_before, steps, ",.0f") if n_solved else ""]
    cells += [f"{number:,}" for number in (counted.n_operations, counted.n_harmful, counted.n_kept, counted.n_false)]
    return (*cells, f"{counted.rate:.4f} [{lowest:.4f}, {highest:.4f}]")


def _steps(case: LearnerCase, runs: Sequence[LearnerRun]) -> list[float]:
    """A run that never got there counts as one that gave up at its end."""
    return [float(case.n_steps if run.steps is None else run.steps) for run in runs]


def _difference(first: Sequence[float], second: Sequence[float], figures: str) -> str:
    """The mean of what differs seed by seed."""
    mean, (low, high) = paired_bootstrap(first, second, np.mean, np.random.default_rng(0))
    return f"{mean:+{figures}} [{low:+{figures}}, {high:+{figures}}]"
