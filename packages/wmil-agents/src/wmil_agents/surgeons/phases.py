"""When the learner learns and when the surgeon does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Phase(IntEnum):
    """What happens between two rollouts of the learner."""

    BOOTSTRAP = 0
    """Nothing: the learner learns alone."""
    EXCLUSIVE = 1
    """Operation after operation, while the learner waits."""
    JOINT = 2
    """An operation now and then."""
    OVER = 3
    """Nothing any more."""


@dataclass(frozen=True)
class Phases:
    """A schedule: the learner alone, then the surgeon alone, then both."""

    bootstrap: int = 0
    """Steps that the learner takes before the first operation."""
    exclusive: int = 0
    """Operations one after the other, before the rollout that begins then."""
    joint: int | None = None
    """Steps of the learner after the bootstrap in which there are operations between rollouts; all if None."""

    def __post_init__(self) -> None:
        for name, value in (("bootstrap", self.bootstrap), ("exclusive", self.exclusive), ("joint", self.joint)):
            if value is not None and value < 0:
                raise ValueError(f"{name} must not be negative, and is {value}")

    def at(self, step: int, n_exclusive: int) -> Phase:
        """The phase of a learner that has taken so many steps, after so many operations of the exclusive phase."""
        if step < self.bootstrap:
            return Phase.BOOTSTRAP
        if n_exclusive < self.exclusive:
            return Phase.EXCLUSIVE
        if self.joint is None or step < self.bootstrap + self.joint:
            return Phase.JOINT
        return Phase.OVER
