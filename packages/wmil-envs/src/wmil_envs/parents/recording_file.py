"""The file of recorded verdicts: JSON, one question a line, so that two recordings can be compared with `diff`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from wmil_envs.task import Task

FORMAT = 2
_READ = (1, 2)
"""The first format had no components but the score, no transitions, no levels and no judge card."""

State = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class RecordedState:
    """What was said about one state."""

    state: list[int]
    """Its row."""
    levels: list[int] | None = None
    """The levels whose episodes start from it; None where that was not for the recorded parent to say."""
    scores: list[float]
    """(n_actions,) of each action."""
    consistency: list[float] | None = None
    """(n_actions,) the judge's own component, where it has one."""
    next: list[list[int]] | None = None
    """(n_actions, n_attributes) the state that follows each action, where that was recorded."""


def write_recording(
    path: Path, task: Task, states: Iterable[RecordedState], card: Mapping[str, Any] | None = None
) -> None:
    """Write a recording, whole or not at all, sorted by state.

    Args:
        path: of the file.
        task: what was asked.
        states: what was said.
        card: who said it, and how well.
    """
    lines = sorted((_plain(one) for one in states), key=lambda plain: plain["state"])
    head = {"format": FORMAT, "task": meaning_of(task)}
    if any("next" in plain for plain in lines):
        head["dynamics"] = task.dynamics
    if card is not None:
        head["card"] = dict(card)
    questions = ",\n".join(json.dumps(plain, allow_nan=False) for plain in lines)
    text = f'{json.dumps(head, indent=1, allow_nan=False)[:-2]},\n "questions": [\n{questions}\n]}}\n'
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_recording(path: Path, task: Task) -> dict[State, RecordedState]:
    """What was said about each state.

    Raises:
        FileNotFoundError: the file cannot be read.
        ValueError: it is no recording, or one of another task.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] not in _READ:
            raise ValueError(f"its format is {content['format']!r}, not {' or '.join(map(str, _READ))}")
        if content["task"] != meaning_of(task):
            raise ValueError(f"it was recorded for {content['task']}, not for {meaning_of(task)}")
        if content.get("dynamics", task.dynamics) != task.dynamics:
            raise ValueError(
                f"its transitions were recorded for dynamics={content['dynamics']!r}, not for {task.dynamics!r}"
            )
        states = [RecordedState(**question) for question in content["questions"]]
        table = {tuple(one.state): one for one in states}
        if not all(0.0 <= score <= 1.0 for one in states for score in [*one.scores, *(one.consistency or [])]):
            raise ValueError("a score lies outside [0, 1]")
        if len({(one.levels is None, one.consistency is None, one.next is None) for one in states}) > 1:
            raise ValueError("not every question was answered in full")
    except OSError as error:
        raise FileNotFoundError(f"cannot read the recorded parent {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a recording of a parent: {error}") from error
    return table


def read_card(path: Path) -> dict[str, Any] | None:
    """The judge card of a recording; None where it has none."""
    card: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")).get("card")
    return card


def meaning_of(task: Task) -> str:
    """What decides the meaning of states and actions: the task but for what happens between answers."""
    return repr(replace(task, horizon=1, dynamics="same"))


def _plain(one: RecordedState) -> dict[str, Any]:
    values = {field.name: getattr(one, field.name) for field in fields(one)}
    return {name: value for name, value in values.items() if value is not None}
