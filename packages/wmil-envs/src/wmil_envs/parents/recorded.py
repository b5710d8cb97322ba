"""A parent that repeats recorded verdicts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from wmil_envs.parent import REPLAY, Parent, Scores, Verdicts
from wmil_envs.parents.recording_file import RecordedState, read_recording, write_recording
from wmil_envs.parents.rule import RuleParent
from wmil_envs.task import Actions, States, Task


class RecordedParent:
    """A frozen table of scores, read from a JSON file; noise comes from `parent`, and whatever the file does not hold.

    Where transitions were recorded, they are repeated, and so is a consistency that was judged. Where the recorded
    parent chose the states of a level, episodes start from the same ones, and what follows by the rule is one of them.

    Args:
        parent: who sets the tasks.
        task: the task that must have been recorded; its alphabet decides what the actions meant.
        path: of the file that `record` wrote, or `freeze`.
    """

    source = REPLAY
    """Where its verdicts come from."""

    def __init__(self, parent: Parent, task: Task, path: str | PathLike[str]) -> None:
        self.parent = parent
        self.flip = parent.flip
        if not isinstance(path, str | PathLike):
            raise ValueError(f"the path of a recorded parent must be a path, not {path!r}")
        self.path = Path(path)
        self._states = read_recording(self.path, task)
        self._task = task
        first = next(iter(self._states.values()), None)
        self._sets_levels = first is not None and first.levels is not None
        self._sets_following = first is not None and first.next is not None
        self.judges_consistency = first is not None and first.consistency is not None

    def instances(self, level: int) -> States:
        states = self.parent.instances(level)
        if not self._sets_levels:
            return states
        chosen = {state for state, one in self._states.items() if one.levels is not None and level in one.levels}
        return states[[tuple(state) in chosen for state in states.tolist()]]

    def judge(self, states: States, actions: Actions) -> Scores:
        return np.array(self._looked_up(states, actions, lambda one: one.scores), dtype=np.float64)

    def transition(self, states: States, actions: Actions) -> States | None:
        if not self._sets_following:
            return self._rule.transition(states, actions)
        return np.array(self._looked_up(states, actions, lambda one: one.next), dtype=np.int32)

    @cached_property
    def _rule(self) -> Parent:
        """Who says what follows, where the file does not."""
        if not self._sets_levels:
            return self.parent
        return RuleParent(self._task, [self.instances(level) for level in range(len(self._task.levels))])

    @property
    def verdicts(self) -> Callable[[States, Actions], Verdicts]:
        """With consistency it is a `LazyParent`, whose verdicts are all there; without, it has no such method."""
        if not self.judges_consistency:
            raise AttributeError("verdicts")
        return self._verdicts

    def _verdicts(self, states: States, actions: Actions) -> Verdicts:
        consistency = np.array(self._looked_up(states, actions, lambda one: one.consistency), dtype=np.float64)
        return Verdicts(self.judge(states, actions), np.full(len(states), REPLAY, dtype=np.uint8), consistency)

    def _looked_up(self, states: States, actions: Actions, what: Callable[[RecordedState], Any]) -> list[Any]:
        try:
            rows = zip(map(tuple, states.tolist()), actions, strict=True)
            return [what(self._states[state])[action] for state, action in rows]
        except (KeyError, IndexError) as error:
            raise LookupError(
                f"{self.path} holds no verdict on every question of this task ({error}); record it again with `record`"
            ) from error

    def specification(self) -> dict[str, Any]:
        return {"kind": "recorded", "path": str(self.path), "of": self.parent.specification()}


def record(parent: Parent, task: Task, path: str | PathLike[str]) -> None:
    """Write the parent's score of every action in every state of the task to a file that `RecordedParent` reads."""
    states = np.unique(np.concatenate([parent.instances(level) for level in range(len(task.levels))]), axis=0)
    everything = np.arange(task.n_actions)
    scores = [parent.judge(np.repeat(state[None], task.n_actions, axis=0), everything) for state in states]
    rows = [RecordedState(state=state.tolist(), scores=row.tolist()) for state, row in zip(states, scores, strict=True)]
    write_recording(Path(path), task, rows)
