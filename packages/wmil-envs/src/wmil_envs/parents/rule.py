"""The parent that follows the task's own rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from wmil_envs.dynamics import successors
from wmil_envs.parent import Scores
from wmil_envs.task import Actions, States, Task


class RuleParent:
    """Score 1 for the correct action and 0 for any other; the task's `dynamics` say what comes next."""

    flip = 0.0

    def __init__(self, task: Task) -> None:
        self.task = task
        per_level = [task.instances(level) for level in range(len(task.levels))]
        self._states = np.unique(np.concatenate(per_level), axis=0)
        members = np.array([(self._states[:, None] == level).all(-1).any(1) for level in per_level])
        self._successors = successors(task.dynamics, members, task.n_actions)
        self._place = {tuple(state): place for place, state in enumerate(self._states.tolist())}

    def instances(self, level: int) -> States:
        return self.task.instances(level)

    def judge(self, states: States, actions: Actions) -> Scores:
        return np.equal(self.task.correct_actions(states), actions).astype(np.float64)

    def transition(self, states: States, actions: Actions) -> States | None:
        if self._successors is None:
            return None
        places = [self._place[tuple(state)] for state in states.tolist()]
        return self._states[self._successors[places, actions]]

    def specification(self) -> dict[str, Any]:
        return {"kind": "rule"}
