"""An edit that is a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.operation import EachPart, Operation, PartOf
from wmil_agents.surgery.target import Target


@dataclass(frozen=True)
class Custom(Edit):
    """x -> function(x, strength) for each part of the target; it gets a copy, and is not called at a strength of 0.

    A function is no plain data, so this edit has none.

    Args:
        target: as in `Edit`.
        function: returns the new values, of the same shape.
        strength: handed on to it.
    """

    kind = "custom"

    function: Callable[[Tensor, float], Tensor]

    def operation(self, chosen: Sequence[Target], part_of: PartOf) -> Operation:
        """Changes each part."""

        def change(view: Tensor, number: float) -> None:
            with torch.no_grad():
                values = self.function(view.clone(), number)
            shape = getattr(values, "shape", type(values).__name__)
            if shape != view.shape:
                wanted = f"a tensor of {tuple(view.shape)}"
                raise ValueError(f"the function of a custom edit must return {wanted}, not {shape}")
            view.copy_(values.detach())

        return EachPart(change, [[part_of(region) for region in target.regions] for target in chosen])

    def to_dict(self) -> dict[str, Any]:
        """Not to be had.

        Raises:
            TypeError: a function is no plain data.
        """
        raise TypeError(f"a custom edit of {self.target!r} holds a function, which is no plain data")
