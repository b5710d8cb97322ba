"""The contract of an edit: where it is made, and how strongly, as plain data."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from wmil_agents.surgery.anatomy import Anatomy
from wmil_agents.surgery.operation import Operation, PartOf
from wmil_agents.surgery.region import Region
from wmil_agents.surgery.target import Target


@dataclass(frozen=True)
class Edit(ABC):
    """What is changed of a model, and by how much; a strength of 0 changes no bit.

    Args:
        target: a name of `targets(model)`, a pattern of names (`*` and `?`), or a part of a parameter, written
            `name[0:16, :]`.
        strength: one number for everything that is meant; or several, one for each target, in the order of
            `targets(model)`, which are kept as a tuple.
    """

    kind: ClassVar[str]
    """Its name in plain data."""

    target: str
    strength: float | Sequence[float]

    def __post_init__(self) -> None:
        plain: Any = self.strength.tolist() if hasattr(self.strength, "tolist") else self.strength
        values = tuple(plain) if isinstance(plain, list | tuple) else (plain,)
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
            raise ValueError(f"a strength must be a finite number or several of them, not {self.strength!r}")
        object.__setattr__(self, "strength", values if isinstance(plain, list | tuple) else plain)

    def chosen(self, anatomy: Anatomy) -> list[Target]:
        """The targets that are meant, in the order of their numbers.

        Raises:
            ValueError: there are none.
        """
        return anatomy.named(self.target)

    @abstractmethod
    def operation(self, chosen: Sequence[Target], part_of: PartOf) -> Operation:
        """The change of these targets, in their order."""

    def change_copies(
        self, chosen: Sequence[Target], copies_of: PartOf, rows: Sequence[int], strengths: Sequence[Sequence[float]]
    ) -> None:
        """Changes copies of these targets in place, each with strengths of its own.

        Args:
            chosen: the targets.
            copies_of: gives all copies of a region, (n, ...).
            rows: which of the n are changed.
            strengths: for each of these rows, as `strengths` gives them.
        """
        for row, own in zip(rows, strengths, strict=True):
            operation = self.operation(chosen, partial(_copy, copies_of, row))
            operation.apply([*own] * operation.n_numbers if len(own) == 1 else own)

    @property
    def form(self) -> Edit:
        """The edit without its strength."""
        return replace(self, strength=0.0)

    def n_strengths(self, n_targets: int) -> int:
        """How many numbers may be set: one, or as many as there are with so many targets."""
        return n_targets if isinstance(self.strength, Sequence) else 1

    def strengths(self, n_targets: int) -> list[float]:
        """The numbers that may be set, as they are now.

        Raises:
            ValueError: there are not as many of them as targets.
        """
        expected = self.n_strengths(n_targets)
        values = list(self.strength) if isinstance(self.strength, Sequence) else [self.strength] * expected
        if len(values) != expected:
            raise ValueError(f"{self.target!r} of this model takes {expected} strengths, not {len(values)}")
        return [float(value) for value in values]

    def to_dict(self) -> dict[str, Any]:
        """The edit as plain data, for `edit_from_dict`."""
        return {"kind": self.kind, **asdict(self)}


def _copy(copies_of: PartOf, row: int, region: Region) -> Tensor:
    """One of the copies of a region."""
    return copies_of(region)[row]
