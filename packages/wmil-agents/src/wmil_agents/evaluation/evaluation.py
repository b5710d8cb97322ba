"""The result of an evaluation: every number is exact, or comes with n and an interval, or says why it is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wmil_agents.evaluation.quantity import figure_text, quantity_text
from wmil_agents.evaluation.world_model_errors import WorldModelErrors
from wmil_envs.oracle import Oracle, Quantity, Unavailable, plain_quantity


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

    def __str__(self) -> str:
        lines = [
            f"success {quantity_text(self.success)}",
            f"return  {quantity_text(self.episode_return)}",
            f"entropy {quantity_text(self.entropy)}",
        ]
        if self.oracle is not None:
            chance, ceiling = quantity_text(self.oracle.random_success), quantity_text(self.success_ceiling)
            lines[0] += f"   chance {chance}, best possible {ceiling}"
            names = ("random_return", "memoryless_return", "optimal_return")
            random, memoryless, optimal = (quantity_text(getattr(self.oracle, name)) for name in names)
            lines[1] += f"   random {random}, best memoryless {memoryless}, optimal {optimal}"
            lines[2] += f"   uniform {quantity_text(self.max_entropy)}"
        if isinstance(self.world_model, WorldModelErrors):
            errors = self.world_model.mean
            skill = "nothing to predict" if errors.skill is None else figure_text(errors.skill)
            lines.append(
                f"world-model error {figure_text(errors.error)}   floor {figure_text(errors.floor)}, "
                f"looking at nothing {figure_text(errors.mean_error)}, skill {skill}"
            )
        return "\n".join(lines)

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
