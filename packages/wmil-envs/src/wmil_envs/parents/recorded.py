"""A parent that repeats recorded verdicts."""

from __future__ import annotations

import json
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from wmil_envs.parent import Parent, Scores
from wmil_envs.task import Actions, States, Task

FORMAT = 1


class RecordedParent:
    """A frozen table of scores, read from a JSON file; tasks, transitions and noise come from `parent`.

    The file is text, one question a line, so that two recordings can be compared with `diff`.

    Args:
        parent: who sets the tasks.
        task: the task that must have been recorded; its alphabet decides what the actions meant.
        path: of the file that `record` wrote.
    """

    def __init__(self, parent: Parent, task: Task, path: str | PathLike[str]) -> None:
        self.parent = parent
        self.flip = parent.flip
        if not isinstance(path, str | PathLike):
            raise ValueError(f"the path of a recorded parent must be a path, not {path!r}")
        self.path = Path(path)
        self._scores = _read(self.path, _signature(task))

    def instances(self, level: int) -> States:
        return self.parent.instances(level)

    def judge(self, states: States, actions: Actions) -> Scores:
        try:
            scores = [
                self._scores[tuple(state)][action] for state, action in zip(states.tolist(), actions, strict=True)
            ]
        except (KeyError, IndexError) as error:
            raise LookupError(
                f"{self.path} holds no score for every question of this task ({error}); record it again with `record`"
            ) from error
        return np.array(scores, dtype=np.float64)

    def transition(self, states: States, actions: Actions) -> States | None:
        return self.parent.transition(states, actions)

    def specification(self) -> dict[str, Any]:
        return {"kind": "recorded", "path": str(self.path), "of": self.parent.specification()}


def record(parent: Parent, task: Task, path: str | PathLike[str]) -> None:
    """Write the parent's score of every action in every state of the task to a file that `RecordedParent` reads."""
    states = np.unique(np.concatenate([parent.instances(level) for level in range(len(task.levels))]), axis=0)
    lines = []
    for state in states:
        scores = parent.judge(np.repeat(state[None], task.n_actions, axis=0), np.arange(task.n_actions))
        lines.append(json.dumps({"state": state.tolist(), "scores": scores.tolist()}))
    head, questions = json.dumps({"format": FORMAT, "task": _signature(task)}), ",\n".join(lines)
    Path(path).write_text(f'{head[:-1]}, "questions": [\n{questions}\n]}}\n', encoding="utf-8")


def _signature(task: Task) -> str:
    """What decides the meaning of states and actions: the task but for what happens between answers."""
    return repr(replace(task, horizon=1, dynamics="same"))


def _read(path: Path, signature: str) -> dict[tuple[int, ...], list[float]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {FORMAT}")
        if content["task"] != signature:
            raise ValueError(f"it was recorded for {content['task']}, not for {signature}")
        table = {tuple(question["state"]): question["scores"] for question in content["questions"]}
        if not all(0.0 <= score <= 1.0 for scores in table.values() for score in scores):
            raise ValueError("a score lies outside [0, 1]")
    except OSError as error:
        raise FileNotFoundError(f"cannot read the recorded parent {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a recording of a parent: {error}") from error
    return table
