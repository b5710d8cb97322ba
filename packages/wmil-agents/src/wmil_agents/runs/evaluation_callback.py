"""Evaluates the policy while it learns, at or past every interval."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from stable_baselines3.common.callbacks import BaseCallback

from wmil_agents.evaluation.evaluation import Evaluation

_SECONDS_BETWEEN_REPORTS = 0.2


@dataclass(frozen=True)
class Progress:
    """Where a run has got."""

    step: int
    total_steps: int
    seconds: float
    """Since the first step."""
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
    """

    def __init__(
        self,
        evaluate: Callable[[], Evaluation],
        interval: int,
        total_steps: int,
        on_evaluation: Callable[[EvaluatedStep], None],
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        super().__init__()
        self._evaluate, self._interval, self._total_steps = evaluate, interval, total_steps
        self._on_evaluation, self._progress = on_evaluation, progress
        self._next, self._latest = 0, -1
        self._evaluation: Evaluation
        self._started = self._reported = 0.0

    def _on_training_start(self) -> None:
        self._started = time.monotonic()

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self._next:
            self._next = (self.num_timesteps // self._interval + 1) * self._interval
            self._make()

    def _on_training_end(self) -> None:
        if self._latest != self.num_timesteps:
            self._make()

    def _on_step(self) -> bool:
        if self._progress is not None and time.monotonic() - self._reported > _SECONDS_BETWEEN_REPORTS:
            self._report(is_new=False)
        return True

    def _make(self) -> None:
        self._evaluation, self._latest = self._evaluate(), self.num_timesteps
        self._on_evaluation(EvaluatedStep(self.num_timesteps, self._evaluation))
        self._report(is_new=True)

    def _report(self, *, is_new: bool) -> None:
        if self._progress is not None:
            self._reported = time.monotonic()
            seconds = self._reported - self._started
            self._progress(Progress(self.num_timesteps, self._total_steps, seconds, self._evaluation, is_new))
