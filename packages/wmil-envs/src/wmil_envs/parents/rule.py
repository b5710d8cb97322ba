"""The parent that follows the task's own rules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wmil_envs.dynamics import successors
from wmil_envs.parent import Scores
from wmil_envs.task import Actions, States, Task


class RuleParent:
    """Score 1 for the correct action and 0 for any other; the task's `dynamics` say what comes next.

    Args:
        task: whose rules they are.
        levels: the states that episodes of each level start from; the task's own for None.
    """

    flip = 0.0

    def __init__(self, task: Task, levels: Sequence[States] | None = None) -> None:
        self.task = task
        self._levels = levels

    def instances(self, level: int) -> States:
        return self.task.instances(level) if self._levels is None else self._levels[level]

    def judge(self, states: States, actions: Actions) -> Scores:
        return np.equal(self.task.correct_actions(states), actions).astype(np.float64)

    def transition(self, states: States, actions: Actions) -> States | None:
        everything, following = self._everything
        if following is None:
            return None
        place = {tuple(state): index for index, state in enumerate(everything.tolist())}
        places = [place[tuple(state)] for state in states.tolist()]
        return everything[following[places, actions]]

    @cached_property
    def _everything(self) -> tuple[States, npt.NDArray[np.int64] | None]:
        """All states, and the numbers of those that follow each."""
        per_level = [self.instances(level) for level in range(len(self.task.levels))]
        states, places = np.unique(np.concatenate(per_level), axis=0, return_inverse=True)
        members = np.zeros((len(per_level), len(states)), dtype=np.bool_)
        levels = np.repeat(np.arange(len(per_level)), [len(level) for level in per_level])
        members[levels, places.reshape(-1)] = True
        return states, successors(self.task.dynamics, members, self.task.n_actions)

    def specification(self) -> dict[str, Any]:
        return {"kind": "rule"}
