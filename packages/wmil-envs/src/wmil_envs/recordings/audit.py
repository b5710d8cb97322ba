"""A model's verdicts held against the rule, and where they differ in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wmil_envs.llm.settings import LLMSettings
from wmil_envs.parents.recording_file import RecordedState, read_recording
from wmil_envs.recordings.agreement import Agreement, agreement, sample_agreement
from wmil_envs.recordings.plan import Plan, Recorded
from wmil_envs.task import States, Task

Goals = npt.NDArray[np.float64]


class Disagreement(NamedTuple):
    """A verdict that is on the other side of 0.5 than the rule's."""

    state: tuple[int, ...]
    """The row."""
    question: str
    """The state in words."""
    action: int
    """Its number."""
    means: str
    """The action in words."""
    goal: float
    """The model's verdict, the mean of its samples."""
    rule: float
    """The rule's."""


@dataclass(frozen=True)
class Audit:
    """What the store knows of a model's judgement of a task, against the rule."""

    states: int
    """How many there are."""
    judged: int
    """States whose every action was judged; only these are compared."""
    overall: Agreement
    """Over all actions of the judged states, each once."""
    per_level: Mapping[str, Agreement]
    """The same for the states of each level, by its name."""
    samples: float | None
    """How often two samples of a question agree; None with one sample."""
    disagreements: tuple[Disagreement, ...]
    """Every verdict that differs, in the order of states and actions."""


def audit(task: Task, settings: LLMSettings) -> Audit:
    """Compare a model's recorded verdicts with the rule; nothing is asked.

    Args:
        task: what is asked and, by its rule, right.
        settings: who was asked; the store is read.

    Raises:
        ValueError: it is not the model's duty to judge.
        StoreError: the store cannot be read.
    """
    if "judge" not in settings.duties:
        raise ValueError("there is nothing to audit: in these settings the rule judges, not the model")
    return audit_of(Recorded(Plan(task, settings)))


def audit_of(recorded: Recorded) -> Audit:
    """The same of verdicts that were read already."""
    n_states = len({one.state for one in recorded.asked})
    return _against_the_rule(recorded.plan.task, goals_of(recorded), recorded.levels, n_states)


def audit_recording(task: Task, path: str | PathLike[str]) -> Audit:
    """Compare the verdicts of a frozen file with the rule; only the mean of several samples is in it.

    Args:
        task: what was asked.
        path: of the file that `freeze` wrote, or `record`.

    Raises:
        FileNotFoundError: the file cannot be read.
        ValueError: it is no recording, or one of another task.
    """
    states = read_recording(Path(path), task)
    levels = [task.instances(level) for level in range(len(task.levels))]
    if any(one.levels is not None for one in states.values()):  # chosen by the model
        levels = [_chosen(states, level, task) for level in range(len(levels))]
    n_states = len({tuple(state) for level in levels for state in level.tolist()})
    goals = {state: np.array([one.scores], dtype=np.float64) for state, one in states.items()}
    return _against_the_rule(task, goals, levels, n_states)


def _chosen(states: Mapping[tuple[int, ...], RecordedState], level: int, task: Task) -> States:
    """(n, n_attributes) the recorded states that episodes of a level start from."""
    rows = [state for state, one in states.items() if level in (one.levels or ())]
    return np.array(rows, dtype=np.int32).reshape(len(rows), len(task.attributes))


def _against_the_rule(
    task: Task, samples: Mapping[tuple[int, ...], Goals], levels: Sequence[States], n_states: int
) -> Audit:
    """The audit of scores (n_samples, n_actions) by state.

    Args:
        task: whose rule it is.
        samples: the scores.
        levels: the states of each level.
        n_states: how many there are, judged or not.
    """
    states = sorted(samples)
    goals = np.array([samples[state].mean(axis=0) for state in states]).reshape(len(states), task.n_actions)
    says_right = goals >= 0.5
    is_right = _is_right(task, states)
    place = {state: number for number, state in enumerate(states)}
    per_level = {}
    for name, level in zip(task.levels, levels, strict=True):
        cells = sorted({place[state] for state in map(tuple, level.tolist()) if state in place})
        per_level[name] = agreement(says_right[cells].ravel(), is_right[cells].ravel())
    right_in_samples = [samples[state] >= 0.5 for state in states]
    return Audit(
        states=n_states,
        judged=len(states),
        overall=agreement(says_right.ravel(), is_right.ravel()),
        per_level=per_level,
        samples=sample_agreement(np.concatenate(right_in_samples, axis=1)) if states else None,
        disagreements=tuple(
            Disagreement(
                states[number],
                task.describe(_row(states[number])),
                int(action),
                task.describe_action(int(action)),
                float(goals[number, action]),
                float(is_right[number, action]),
            )
            for number, action in np.argwhere(says_right != is_right)
        ),
    )


def goals_of(recorded: Recorded) -> dict[tuple[int, ...], Goals]:
    """The scores (n_samples, n_actions) of each state whose every action was judged in every sample."""
    n_samples, n_actions = recorded.plan.settings.samples, recorded.plan.task.n_actions
    goals: dict[tuple[int, ...], Goals] = {}
    for state, question in recorded.asked:
        if question.kind == "judge":
            table = goals.setdefault(state, np.full((n_samples, n_actions), np.nan))
            record = recorded.records.get(question.key)
            for verdict in record.answer["verdicts"] if record else ():
                table[question.sample, verdict["action"]] = verdict["goal"]
    return {state: table for state, table in goals.items() if not np.isnan(table).any()}


def _is_right(task: Task, states: list[tuple[int, ...]]) -> npt.NDArray[np.bool_]:
    """(n, n_actions) whether the action is the correct one."""
    if not states:
        return np.zeros((0, task.n_actions), dtype=np.bool_)
    correct = task.correct_actions(np.array(states, dtype=np.int32))
    return np.equal(correct[:, None], np.arange(task.n_actions))


def _row(state: tuple[int, ...]) -> States:
    return np.array(state, dtype=np.int32)
