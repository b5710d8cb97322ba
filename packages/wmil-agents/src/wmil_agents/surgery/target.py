"""Something that can be edited, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wmil_agents.surgery.region import Region

TargetKind = Literal["query", "key", "value", "out", "norm", "tensor", "module", "region"]


@dataclass(frozen=True)
class Target:
    """Named parts of a model's parameters."""

    name: str
    kind: TargetKind
    """`query`, `key`, `value`: the rows of an attention head, with their biases; `out`: its columns in the output
    projection; `norm`: the gain of a layer norm; `tensor`: another parameter; `module`: all parameters of a module;
    `region`: a part that was written out."""
    module: str
    """The module that it belongs to; the model itself is ''."""
    regions: tuple[Region, ...]
    head: int | None = None

    @property
    def n_elements(self) -> int:
        """How many numbers there are in it."""
        return sum(region.n_elements for region in self.regions)
