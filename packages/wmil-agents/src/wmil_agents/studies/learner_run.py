"""One learner with one surgeon: how it ends, and what each operation truly did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from wmil_agents.studies.learner_cases import ARMS, MAX_CHANGE, N_EDITS, LearnerCase, world_of_learner
from wmil_agents.surgeons.bank_score import BankScore
from wmil_agents.surgeons.keep_rule import KeepRule
from wmil_agents.surgeons.patient import Patient
from wmil_agents.surgeons.score import Floats, Model, mean_score
from wmil_agents.surgeons.surgery_callback import Operated, SurgeryCallback

THRESHOLD = 0.95
"""Of the exact success, that counts as solved."""
NOBODY = "none"
"""The arm without a surgeon."""


@dataclass(frozen=True)
class TrueChange:
    """What an operation did, as nobody in the run can know."""

    kept: bool
    whole: float
    """What its edit changes the exact success in the whole world by, kept or not."""
    unseen: float
    """The same on the items that neither surgeon nor rule saw; NaN where there are none."""


@dataclass(frozen=True)
class LearnerRun:
    """How one ended."""

    success: float
    """Exact, at the end."""
    steps: int | None
    """Until it was `THRESHOLD` at the start of a rollout; None if it never was."""
    changes: tuple[TrueChange, ...]
    """Of each operation."""


def run_learner(case: LearnerCase, arm: str, seed: int, keep_rule: KeepRule | None = None) -> LearnerRun:
    """Learns from beginning to end.

    Args:
        case: who learns.
        arm: who operates; `NOBODY` for a run without the callback.
        seed: of the learner, of the surgeon and of the split.
        keep_rule: another one than the default.
    """
    model = case.make(seed)
    world = world_of_learner(model)
    truth = _Truth(world)
    split = BankScore.split(world, case.shares, seed)
    search, decision = split[:2]
    unseen = np.isin(truth.instances, [number for rest in split[2:] for number in rest.instances])
    changes: list[TrueChange] = []

    def note(operated: Operated) -> None:
        before, after = truth.calls[:2]
        change = truth.weights * (after - before)
        n_unseen = truth.weights[unseen].sum()
        changes.append(
            TrueChange(
                operated.kept, float(change.sum()), float(change[unseen].sum() / n_unseen) if n_unseen else np.nan
            )
        )
        truth.calls.clear()

    watch = _Watch(BankScore(world))
    callbacks: list[BaseCallback] = [watch]
    if arm != NOBODY:
        surgery = SurgeryCallback(
            ARMS[arm](seed),
            phases=case.phases,
            interval=case.interval,
            patient=lambda model: Patient(model, search, decision, truth),
            keep_rule=keep_rule,
            n_edits=N_EDITS,
            max_change=MAX_CHANGE,
            seed=seed,
            after_operation=note,
        )
        callbacks = [_Calling(truth.calls.clear), surgery, watch]
    model.learn(case.n_steps, callbacks)
    assert model.env is not None
    model.env.close()
    return LearnerRun(watch.success, watch.steps, tuple(changes))


class _Truth(BankScore):
    """The whole world, which nothing is chosen by; what it says is noted: before an operation, and of its edit."""

    def __call__(self, model: Model) -> Floats:
        worth = super().__call__(model)
        self.calls.append(worth)
        return worth

    @property
    def calls(self) -> list[Floats]:
        """What was said since the list was cleared."""
        return self.__dict__.setdefault("_calls", [])  # type: ignore[no-any-return]  # it is what is put there


class _Calling(BaseCallback):
    """Calls something at the start of every rollout."""

    def __init__(self, what: Callable[[], None]) -> None:
        super().__init__()
        self.what = what

    def _on_rollout_start(self) -> None:
        self.what()

    def _on_step(self) -> bool:
        return True


class _Watch(BaseCallback):
    """Measures before each rollout, after any operation, and at the end."""

    def __init__(self, success: BankScore) -> None:
        super().__init__()
        self.success_score = success
        self.steps: int | None = None
        self.success = 0.0

    def _on_rollout_start(self) -> None:
        self._measure()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._measure()

    def _measure(self) -> None:
        self.success = mean_score(self.success_score, self.model)
        if self.steps is None and self.success >= THRESHOLD:
            self.steps = self.model.num_timesteps
