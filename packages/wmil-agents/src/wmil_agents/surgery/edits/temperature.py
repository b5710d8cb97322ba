"""An edit that sharpens or flattens the attention of heads."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wmil_agents.surgery.anatomy import Anatomy
from wmil_agents.surgery.edits.scaling import Scaling
from wmil_agents.surgery.target import Target


@dataclass(frozen=True)
class Temperature(Scaling):
    """Queries -> e^strength queries, so that the attention's scores are divided by a temperature of e^-strength.

    Args:
        target: an attention module, or a pattern of such; `"*"` is all of them.
        strength: of each head, or one for all.
        head: the number of one head; all if None.
    """

    kind = "temperature"

    head: int | None = None

    def chosen(self, anatomy: Anatomy) -> list[Target]:
        """The rows of the queries."""
        return anatomy.of_kind("query", self.target, self.head)

    def factor(self, strength: float) -> float:
        """e^strength."""
        return math.exp(strength)
