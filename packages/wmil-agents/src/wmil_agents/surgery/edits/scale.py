"""An edit that scales its target."""

from __future__ import annotations

from dataclasses import dataclass

from wmil_agents.surgery.edits.scaling import Scaling


@dataclass(frozen=True)
class Scale(Scaling):
    """x -> (1 + strength) x; -1 sets it to 0."""

    kind = "scale"

    def factor(self, strength: float) -> float:
        """1 + strength."""
        return 1.0 + strength
