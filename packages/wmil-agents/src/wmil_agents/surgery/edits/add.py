"""An edit that adds to its target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.operation import EachPart, Operation, PartOf
from wmil_agents.surgery.target import Target


@dataclass(frozen=True)
class Add(Edit):
    """x -> x + strength x direction.

    Args:
        target: as in `Edit`.
        strength: as in `Edit`.
        direction: a number, or numbers in the shape of each part of the target or one that spreads over it; a tensor or
            an array is kept as nested tuples.
    """

    kind = "add"

    direction: Any = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        plain = self.direction.tolist() if hasattr(self.direction, "tolist") else self.direction
        object.__setattr__(self, "direction", _tuples(plain))

    def operation(self, chosen: Sequence[Target], part_of: PartOf) -> Operation:
        """Adds to each part.

        Raises:
            ValueError: the direction does not spread over one of them.
        """
        parts = [[part_of(region) for region in target.regions] for target in chosen]
        directions: dict[tuple[torch.dtype, torch.device], Tensor] = {}
        for view in (view for views in parts for view in views):
            precision = torch.promote_types(view.dtype, torch.float32)
            key = view.dtype, view.device
            directions[key] = torch.tensor(self.direction, dtype=precision, device=view.device)
            try:
                directions[key].expand(view.shape)
            except RuntimeError:
                shape = tuple(directions[key].shape)
                raise ValueError(
                    f"a direction of shape {shape} does not spread over {self.target!r}, which has a part of shape "
                    f"{tuple(view.shape)}"
                ) from None

        def change(view: Tensor, number: float) -> None:
            view.add_(directions[view.dtype, view.device] * number)

        return EachPart(change, parts)


def _tuples(values: Any) -> Any:
    return tuple(map(_tuples, values)) if isinstance(values, list | tuple) else float(values)
