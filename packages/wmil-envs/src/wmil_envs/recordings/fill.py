"""Asking every question of a task, so that training asks none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wmil_envs.llm.asker import Answered, Asker
from wmil_envs.llm.budget import Budget
from wmil_envs.llm.errors import CallFailed
from wmil_envs.llm.question import Question
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.recordings.plan import Plan
from wmil_envs.task import Task


@dataclass(frozen=True)
class Filled:
    """What filling came to."""

    questions: int
    """In the whole table."""
    live: int
    """Asked now."""
    cached: int
    """Answered already."""
    failed: tuple[tuple[Question, CallFailed], ...]
    """Without a usable answer, and why. Filling again asks these, and nothing else."""

    @property
    def is_complete(self) -> bool:
        """Whether every question has its answer."""
        return not self.failed


def fill(
    task: Task, settings: LLMSettings, *, progress: Callable[[int, int], None] | None = None, asker: Asker | None = None
) -> Filled:
    """Ask every question of a task that the store lacks, and keep the answers.

    Whatever ends it, what was answered is kept, and filling again goes on from there.

    Args:
        task: what is asked.
        settings: who is asked; the mode must be `record`, or `refresh` to ask everything again.
        progress: told how many questions are dealt with, of how many, after each that is asked.
        asker: who asks; the settings' own by default.

    Raises:
        ValueError: the mode keeps no answers.
        BudgetExceeded, StoreError, MissingSDK, MissingKey: nobody can be asked any more.
        CallFailed: the states of a level could not be set, so that nothing can be asked about them.
    """
    if settings.mode not in ("record", "refresh"):
        raise ValueError(f"filling keeps what it asks, and the mode {settings.mode!r} does not: take 'record'")
    plan = Plan(task, settings)
    asker = asker or Asker(settings, plan.questions, plan.store, Budget(settings.budget, plan.store))
    tell = progress or (lambda done, total: None)
    answers = {}
    setting = asker.answers(plan.setting)
    for question, reply in zip(plan.setting, setting, strict=True):
        if isinstance(reply, CallFailed):
            raise reply
        answers[question.key] = reply.answer
    questions = [one.question for one in plan.table(plan.levels(answers))]
    total = len(setting) + len(questions)
    replies = [*setting, *asker.answers(questions, lambda done: tell(len(setting) + done, total))]
    failed = [
        (one, reply)
        for one, reply in zip([*plan.setting, *questions], replies, strict=True)
        if isinstance(reply, CallFailed)
    ]
    live = sum(isinstance(reply, Answered) and reply.source == "live" for reply in replies)
    return Filled(total, live, total - live - len(failed), tuple(failed))
