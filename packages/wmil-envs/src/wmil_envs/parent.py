"""A parent: it sets tasks, answers with the next state and judges what the learner did."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from wmil_envs.task import Actions, States

Scores = npt.NDArray[np.float64]


class Parent(Protocol):
    """Batch in, batch out, and pure: the same question always gets the same answer.

    A parent is a verifier, not a teacher: states and scores are all it can return. Randomness belongs to the engine,
    which draws it by counter; a noisy parent only says how often its verdict is flipped.
    """

    flip: float
    """Probability that a verdict s reaches the learner as 1 - s."""

    def instances(self, level: int) -> States:
        """The states (m, n_attributes) that episodes of this level start from, all equally likely."""

    def judge(self, states: States, actions: Actions) -> Scores:
        """How good each action (n,) is in its state (n, n_attributes), from 0 to 1."""

    def transition(self, states: States, actions: Actions) -> States | None:
        """The states (n, n_attributes) that follow, or None if the parent sets a new task after every answer."""

    def specification(self) -> dict[str, Any]:
        """The plain data from which `make_parent` builds this parent again."""
