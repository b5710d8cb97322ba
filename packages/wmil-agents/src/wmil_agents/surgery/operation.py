"""An edit at the tensors of one model, ready to be carried out any number of times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor

from wmil_agents.surgery.region import Region

PartOf = Callable[[Region], Tensor]
"""Gives the view of a region, which may be written to."""


class Operation(ABC):
    """Contract: changes its views in place, each by its number; a number of 0 leaves every bit as it is."""

    n_numbers: int
    """How many numbers it takes."""

    @abstractmethod
    def apply(self, numbers: Sequence[float]) -> None:
        """Changes the views by so much, without recording a gradient."""


class EachPart(Operation):
    """A change of each part by itself.

    Args:
        change: changes a view in place by a number that is not 0.
        parts: for each number the views that it changes.
    """

    def __init__(self, change: Callable[[Tensor, float], None], parts: Sequence[Sequence[Tensor]]) -> None:
        self.change = change
        self.parts = parts
        self.n_numbers = len(parts)

    def apply(self, numbers: Sequence[float]) -> None:
        """One part after the other."""
        for number, views in zip(numbers, self.parts, strict=True):
            if number:
                for view in views:
                    self.change(view, number)
