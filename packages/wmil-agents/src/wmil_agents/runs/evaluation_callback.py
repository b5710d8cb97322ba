"""Evaluates the policy while it learns, at or past every interval."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from wmil_agents.evaluation.evaluation import Evaluation

_SECONDS_BETWEEN_REPORTS = 0.2


@dataclass(frozen=True)
class Progress:
    """Where a run has got."""

    step: int
    total_steps: int
    seconds: float
    """Of learning, since the first step."""
    evaluation: Evaluation
    """The latest."""
    is_new: bool
    """Whether the evaluation was made just now."""


@dataclass(frozen=True)
class EvaluatedStep:
    """An evaluation and the number of environment steps before it."""

    step: int
    evaluation: Evaluation


class EvaluationCallback(BaseCallback):
    """Evaluates before the first step, after the last, and between updates as soon as an interval is over.

    Args:
        evaluate: what the policy does now.
        interval: environment steps between evaluations; one that falls inside a rollout is made after its update.
        total_steps: of the run.
        on_evaluation: called with each.
        progress: called with each, and some times a second between them.
        latest: the last one of the part of a run that is continued; None at its beginning.
    """

    def __init__(
        self,
        evaluate: Callable[[], Evaluation],
        interval: int,
        total_steps: int,
        on_evaluation: Callable[[EvaluatedStep], None],
        progress: Callable[[Progress], None] | None = None,
        latest: EvaluatedStep | None = None,
    ) -> None:
        super().__init__()
        self._evaluate, self._interval, self._total_steps = evaluate, interval, total_steps
        self._on_evaluation, self._progress = on_evaluation, progress
        self._next, self._latest = 0, -1
        self._evaluation: Evaluation
        if latest is not None:
            self._evaluation, self._latest = latest.evaluation, latest.step
            self._next = self._after(latest.step)
        self._reported = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Nothing: where it stands is told by the latest evaluation."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""

    def make_if_due(self) -> None:
        """The evaluation of this moment, between two updates, if the interval is over and it is not made yet."""
        if self.model.num_timesteps >= self._next:
            self._next = self._after(self.model.num_timesteps)
            self._make()

    def _on_rollout_start(self) -> None:
        self.make_if_due()

    def _on_training_end(self) -> None:
        is_done = self.model.num_timesteps >= self._total_steps
        if is_done and self._latest != self.model.num_timesteps:
            self._make()

    def _on_step(self) -> bool:
        if self._progress is not None and time.monotonic() - self._reported > _SECONDS_BETWEEN_REPORTS:
            self._report(is_new=False)
        return True

    def _after(self, step: int) -> int:
        """The step from which on the next one is due."""
        return (step // self._interval + 1) * self._interval

    def _make(self) -> None:
        self._evaluation, self._latest = self._evaluate(), self.model.num_timesteps
        self._on_evaluation(EvaluatedStep(self._latest, self._evaluation))
        self._report(is_new=True)

    def _report(self, *, is_new: bool) -> None:
        if self._progress is not None:
            self._reported = time.monotonic()
            # The algorithm's clock goes on where that of a continued run stopped.
            seconds = max(0.0, (time.time_ns() - self.model.start_time) / 1e9)
            self._progress(Progress(self.model.num_timesteps, self._total_steps, seconds, self._evaluation, is_new))
