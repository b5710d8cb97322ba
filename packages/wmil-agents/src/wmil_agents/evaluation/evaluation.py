"""The result of an evaluation: every number is exact, or comes with n and an interval, or says why it is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wmil_agents.evaluation.quantity import plain_quantity
from wmil_agents.evaluation.world_model_errors import WorldModelErrors
from wmil_envs.oracle import Oracle, Quantity, Unavailable


@dataclass(frozen=True)
class Evaluation:
    """What a policy does, beside what could be done."""

    success: Quantity
    """Probability that the last answer of an episode is right."""
    episode_return: Quantity
    """Undiscounted return of an episode; where the evaluation is exact, in goal units."""
    entropy: Quantity
    """Mean entropy of the action distribution over an episode's steps, in nats."""
    world_model: WorldModelErrors | Unavailable
    """Errors of the world model; `Unavailable` where there is none, or no table to hold it against."""
    oracle: Oracle | None
    """Floors and ceilings of the level; None where the world is not finite."""
    success_ceiling: Quantity
    """The highest success that a function of the observation can have."""
    max_entropy: Quantity
    """Entropy of the uniform policy."""
    level: int | None
    """The level evaluated; None for an environment without levels."""

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        quantities = ("success", "episode_return", "entropy", "success_ceiling", "max_entropy")
        return {
            "level": self.level,
            **{name: plain_quantity(getattr(self, name)) for name in quantities},
            "world_model": (
                plain_quantity(self.world_model)
                if isinstance(self.world_model, Unavailable)
                else self.world_model.to_dict()
            ),
            "oracle": None if self.oracle is None else self.oracle.to_dict(),
        }
