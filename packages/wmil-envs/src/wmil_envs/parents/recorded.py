"""A parent that repeats recorded verdicts."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from wmil_envs.parent import Parent, Scores
from wmil_envs.task import Actions, States

FORMAT = 1


class RecordedParent:
    """A frozen table of scores, read from a JSON file; tasks and transitions come from `parent`.

    The file is text, one question a line, so that two recordings can be compared with `diff`.
    """

    flip = 0.0

    def __init__(self, parent: Parent, path: str | PathLike[str]) -> None:
        self.parent = parent
        self.path = Path(path)
        self._scores = _read(self.path)

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


def record(parent: Parent, states: States, n_actions: int, path: str | PathLike[str]) -> None:
    """Write the parent's score of every action in every one of `states` to a file that `RecordedParent` reads."""
    lines = []
    for state in states:
        scores = parent.judge(np.repeat(state[None], n_actions, axis=0), np.arange(n_actions))
        lines.append(json.dumps({"state": state.tolist(), "scores": scores.tolist()}))
    questions = ",\n".join(lines)
    Path(path).write_text(f'{{"format": {FORMAT}, "questions": [\n{questions}\n]}}\n', encoding="utf-8")


def _read(path: Path) -> dict[tuple[int, ...], list[float]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {FORMAT}")
        table = {tuple(question["state"]): question["scores"] for question in content["questions"]}
        if not all(0.0 <= score <= 1.0 for scores in table.values() for score in scores):
            raise ValueError("a score lies outside [0, 1]")
    except OSError as error:
        raise FileNotFoundError(f"cannot read the recorded parent {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a recording of a parent: {error}") from error
    return table
