"""A parent: it sets tasks, answers with the next state and judges what the learner did."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from wmil_envs.task import Actions, States

Scores = npt.NDArray[np.float64]
SourceCodes = npt.NDArray[np.uint8]

SOURCES = ("rule", "live", "cache", "replay", "fallback", "unjudged")
"""Where a verdict can come from: a rule, a call made for it, a verdict stored earlier, a recording that is only read,
the rule in place of a model that gave none, or nowhere. Arrays hold their places in this tuple, infos the words."""
RULE, LIVE, CACHE, REPLAY, FALLBACK, UNJUDGED = range(len(SOURCES))


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


class Verdicts(NamedTuple):
    """What a lazy parent says of n actions, each in its own state."""

    scores: Scores
    """(n,) from 0 to 1; not a number where nobody judged."""
    sources: SourceCodes
    """(n,) where each comes from, as its place in `SOURCES`.

    A verdict of `FALLBACK` counts for once, and its pair is asked about again when it is next needed; so is one of
    `UNJUDGED`, whose episode ends there.
    """
    consistency: Scores | None = None
    """(n,) the judge's own `cons` component; not a number where it has none. Needs `judges_consistency`."""
    following: States | None = None
    """(n, n_attributes) the states that follow; ignored where nobody judged. Needs `sets_following`."""


class LazyParent(Parent, Protocol):
    """A parent that is asked about a pair of instance and action when it is first needed, and then never again.

    Whatever has a method `verdicts` is one, and `judge` is not called. An attribute below that is missing has the value
    given here. A parent that keeps records may also have `recall`: the same as `verdicts`, `UNJUDGED` wherever somebody
    would have to be asked.
    """

    sets_following: bool = False
    """Whether its verdicts say what follows; `transition`, asked about everything beforehand, does so otherwise."""
    judges_consistency: bool = False
    """Whether its verdicts have a `consistency`, which then takes the place of the engine's."""
    asks_whole_instances: bool = False
    """Whether one question serves all actions of an instance, so that they are asked about together."""
    may_leave_unjudged: bool = False
    """Whether a verdict may be missing, with the source `UNJUDGED`."""

    def verdicts(self, states: States, actions: Actions) -> Verdicts:
        """The verdicts on actions (n,) in their states (n, n_attributes); no pair is given twice."""
