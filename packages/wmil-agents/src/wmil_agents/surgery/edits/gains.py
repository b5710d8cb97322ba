"""An edit with two numbers for every head: the action of a surgeon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wmil_agents.surgery.anatomy import Anatomy
from wmil_agents.surgery.edits.scaling import Scaling
from wmil_agents.surgery.target import Target


@dataclass(frozen=True)
class Gains(Scaling):
    """Queries and values of every head, each -> e^strength times these.

    Args:
        target: attention modules; `"*"` is all of them.
        strength: of the queries of every head, layer by layer, then of the values of every head: 2 x heads x layers
            numbers. A single number stands for that many.
    """

    kind = "gains"

    target: str = "*"
    strength: float | Sequence[float] = 0.0

    def chosen(self, anatomy: Anatomy) -> list[Target]:
        """The rows of all queries, then of all values."""
        return [*anatomy.of_kind("query", self.target), *anatomy.of_kind("value", self.target)]

    def n_strengths(self, n_targets: int) -> int:
        """One for each target, in any case."""
        return n_targets

    def factor(self, strength: float) -> float:
        """e^strength."""
        return math.exp(strength)
