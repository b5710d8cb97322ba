"""A plan: every question of a whole table, and what the store knows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from wmil_envs.llm.question import Question
from wmil_envs.llm.questions import Questions
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.llm.store import Record, Store
from wmil_envs.task import States, Task


class Asked(NamedTuple):
    """A question about some actions of a state."""

    state: tuple[int, ...]
    """The row."""
    question: Question
    """What is asked."""


class Plan:
    """Every question that the parent of these settings will ever ask about a task.

    Args:
        task: what is asked and what is right.
        settings: who is asked, and about what; its store is read.
    """

    def __init__(self, task: Task, settings: LLMSettings) -> None:
        self.task, self.settings = task, settings
        self.questions = Questions(task, settings)
        self.store = Store(settings.store)

    @cached_property
    def setting(self) -> list[Question]:
        """The questions that set the states of each level; none where the task does."""
        if not self.questions.asks_instances:
            return []
        return [self.questions.instances(level) for level in range(len(self.task.levels))]

    def levels(self, answers: Mapping[str, Mapping[str, Any]]) -> list[States]:
        """The states of each level: those that were chosen or, as a stand-in, as many as will be.

        Args:
            answers: to the questions of `setting`, by key.
        """
        levels = [self.task.instances(level) for level in range(len(self.task.levels))]
        for level, question in enumerate(self.setting):
            offered = question.content["possible"][: question.content["how_many"]]
            rows = answers[question.key]["instances"] if question.key in answers else offered
            levels[level] = np.array(rows, dtype=np.int32)
        return levels

    def table(self, levels: Sequence[States]) -> list[Asked]:
        """The questions about every action in every state of these levels."""
        states = np.unique(np.concatenate(list(levels)), axis=0)
        return [
            Asked(tuple(state.tolist()), question)
            for state in states
            for actions in self.questions.groups
            for question in self.questions.about(state, actions, states)
        ]

    def recorded(self, questions: Sequence[Question]) -> dict[str, Record]:
        """What the store has of these, by key."""
        return self.store.get([question.key for question in questions])


class Recorded:
    """A plan, and all that the store has of it.

    Args:
        plan: whose questions.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        setting = plan.recorded(plan.setting)
        self.levels = plan.levels({key: record.answer for key, record in setting.items()})
        self.asked = plan.table(self.levels)
        self.records = setting | plan.recorded([one.question for one in self.asked])
        self.missing = [question for question in self.questions if question.key not in self.records]
        lacking = {one.state for one in self.asked if one.question.key not in self.records}
        self.complete = [state for state in dict.fromkeys(one.state for one in self.asked) if state not in lacking]
        """The states about which everything is known."""

    @property
    def questions(self) -> list[Question]:
        """All questions, those that set the levels first."""
        return [*self.plan.setting, *(one.question for one in self.asked)]
