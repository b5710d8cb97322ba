"""An edit of the gain of layer norms."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wmil_agents.surgery.anatomy import Anatomy
from wmil_agents.surgery.edits.scaling import Scaling
from wmil_agents.surgery.target import Target


@dataclass(frozen=True)
class LayerNormGain(Scaling):
    """The gain of a layer norm -> e^strength times the gain; its bias stays.

    Args:
        target: a norm, or a pattern of such (`nn.LayerNorm`, `nn.RMSNorm`, `nn.GroupNorm`); `"*"` is all of them.
        strength: of each norm, or one for all.
    """

    kind = "layer_norm_gain"

    def chosen(self, anatomy: Anatomy) -> list[Target]:
        """The weights of the norms."""
        return anatomy.of_kind("norm", self.target)

    def factor(self, strength: float) -> float:
        """e^strength."""
        return math.exp(strength)
