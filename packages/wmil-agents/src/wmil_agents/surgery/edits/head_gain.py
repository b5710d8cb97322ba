"""An edit that makes heads count for more or less."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from wmil_agents.surgery.anatomy import Anatomy
from wmil_agents.surgery.edits.scaling import Scaling
from wmil_agents.surgery.target import Target


@dataclass(frozen=True)
class HeadGain(Scaling):
    """What a head puts out -> e^strength times that.

    Args:
        target: an attention module, or a pattern of such; `"*"` is all of them.
        strength: of each head, or one for all.
        head: the number of one head; all if None.
        at: the rows of its values, or its columns in the output projection, which comes to the same.
    """

    kind = "head_gain"

    head: int | None = None
    at: Literal["value", "out"] = "value"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.at not in ("value", "out"):
            raise ValueError(f"a head has its gain at its value or out, not at {self.at!r}")

    def chosen(self, anatomy: Anatomy) -> list[Target]:
        """The rows of the values, or the columns."""
        return anatomy.of_kind(self.at, self.target, self.head)

    def factor(self, strength: float) -> float:
        """e^strength."""
        return math.exp(strength)
