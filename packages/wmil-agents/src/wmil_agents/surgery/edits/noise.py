"""An edit that adds noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.operation import EachPart, Operation, PartOf
from wmil_agents.surgery.target import Target


@dataclass(frozen=True)
class Noise(Edit):
    """x -> x + strength x rms(x) x standard normal numbers, the same whenever the seed is the same.

    Every part has a root mean square and numbers of its own. No global generator is used.

    Args:
        target: as in `Edit`.
        strength: as in `Edit`.
        seed: of the numbers.
    """

    kind = "noise"

    seed: int = 0

    def operation(self, chosen: Sequence[Target], part_of: PartOf) -> Operation:
        """Adds to each part; the numbers are drawn anew each time, so that none are kept."""
        parts = [[part_of(region) for region in target.regions] for target in chosen]
        stream = {id(view): number for number, view in enumerate(view for views in parts for view in views)}

        def change(view: Tensor, number: float) -> None:
            generator = torch.Generator().manual_seed(_mixed(self.seed, stream[id(view)]))
            precision = torch.promote_types(view.dtype, torch.float32)
            drawn = torch.randn(view.shape, generator=generator, dtype=precision).to(view.device)
            view.add_(drawn * (number * view.to(precision).square().mean().sqrt()))

        return EachPart(change, parts)


def _mixed(seed: int, stream: int) -> int:
    """A seed for each stream; streams of neighbouring seeds are others, too."""
    mixed = (seed * 0x9E3779B97F4A7C15 + (stream + 1) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 31)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return mixed ^ (mixed >> 30)
