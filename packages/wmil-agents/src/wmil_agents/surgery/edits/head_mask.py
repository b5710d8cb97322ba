"""An edit that takes heads away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wmil_agents.surgery.anatomy import Anatomy
from wmil_agents.surgery.edits.scaling import Scaling
from wmil_agents.surgery.target import Target


@dataclass(frozen=True)
class HeadMask(Scaling):
    """A head's columns in the output projection -> (1 - strength) times these; 1 takes the head away.

    Args:
        target: an attention module, or a pattern of such; `"*"` is all of them.
        strength: of each head, or one for all; 1 if left out.
        head: the number of one head; all if None.
    """

    kind = "head_mask"

    strength: float | Sequence[float] = 1.0
    head: int | None = None

    def chosen(self, anatomy: Anatomy) -> list[Target]:
        """The columns."""
        return anatomy.of_kind("out", self.target, self.head)

    def factor(self, strength: float) -> float:
        """1 - strength."""
        return 1.0 - strength
