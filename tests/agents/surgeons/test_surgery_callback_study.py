"""The study of surgery on healthy learners: what it counts, and that its keep rule errs as rarely as it says."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from wmil_agents.studies.learner_cases import LEARNERS
from wmil_agents.studies.learner_run import NOBODY, LearnerRun, TrueChange, run_learner
from wmil_agents.studies.learner_table import HEADER, FalseKeeps, learner_rows
from wmil_agents.surgeons import KeepRule, Phases

SHORT = replace(LEARNERS[0], n_steps=160, phases=Phases(80, 4), interval=2)


class Always(KeepRule):
    """Keeps everything."""

    def decide(self, *args: Any, **kwargs: Any) -> Any:
        return replace(super().decide(*args, **kwargs), keep=True)


class Never(KeepRule):
    """Keeps nothing."""

    def decide(self, *args: Any, **kwargs: Any) -> Any:
        return replace(super().decide(*args, **kwargs), keep=False)


def test_mistakes_are_kept_edits_that_did_no_good() -> None:
    changes = [
        TrueChange(kept=True, whole=0.1, unseen=-0.1),
        TrueChange(kept=True, whole=0.0, unseen=0.1),
        TrueChange(kept=True, whole=-0.2, unseen=-0.1),
        TrueChange(kept=False, whole=-0.2, unseen=-0.1),
        TrueChange(kept=False, whole=0.2, unseen=0.1),
    ]
    counted = FalseKeeps.of([LearnerRun(1.0, 5, tuple(changes[:2])), LearnerRun(1.0, 5, tuple(changes[2:]))])
    assert counted == FalseKeeps(n_operations=5, n_harmful=3, n_kept=3, n_false=2, n_false_unseen=2)
    assert counted.rate == 0.4
    low, high = counted.interval
    assert 0.1 < low < 0.4 < high < 0.8
    assert FalseKeeps.of([LearnerRun(1.0, 5, (TrueChange(True, 0.1, math.nan),))]).n_false_unseen is None


def test_a_row_compares_an_arm_with_nobody_seed_by_seed() -> None:
    change = (TrueChange(kept=False, whole=-0.1, unseen=0.0),)
    nobody = [LearnerRun(success, None if success < 0.9 else 80, ()) for success in (0.7, 0.8, 0.9)]
    arm = [LearnerRun(run.success + 0.05, run.steps, change) for run in nobody]
    first, second = learner_rows(SHORT, {NOBODY: nobody, "es": arm})
    assert len(first) == len(second) == len(HEADER)
    assert first[2].startswith("0.8000 [")
    assert second[3] == "+0.05000 [+0.05000, +0.05000]"
    assert second[4:6] == ("160 (1 of 3)", "+0 [+0, +0]")
    assert second[6:10] == ("3", "3", "0", "0")


def test_every_operation_is_judged_by_what_it_did_in_the_whole_world() -> None:
    for arm in ("random", "sac"):
        run = run_learner(SHORT, arm, 0, Always())
        assert len(run.changes) == 4 + 5
        assert len({change.whole for change in run.changes}) == len(run.changes)
        assert all(change.kept and 1e-6 < abs(change.whole) < 1.0 for change in run.changes)


def test_a_surgeon_of_whom_nothing_is_kept_is_like_nobody() -> None:
    alone, beside = run_learner(SHORT, NOBODY, 0), run_learner(SHORT, "es", 0, Never())
    assert alone.success == beside.success
    assert alone.steps == beside.steps
    assert not any(change.kept for change in beside.changes)
    assert any(change.whole > 0.0 for change in beside.changes)


@pytest.mark.slow
@pytest.mark.parametrize("case", LEARNERS, ids=lambda case: case.name)
def test_edits_are_kept_by_mistake_no_more_often_than_the_rule_says(case: Any) -> None:
    counted = FalseKeeps.of([run_learner(case, "random", seed) for seed in range(20)])
    assert counted.n_operations >= 400
    assert counted.n_harmful >= 100
    assert counted.n_false <= KeepRule().alpha * counted.n_harmful
    careless = FalseKeeps.of([run_learner(case, "random", seed, Always()) for seed in range(2)])
    assert careless.rate > KeepRule().alpha
