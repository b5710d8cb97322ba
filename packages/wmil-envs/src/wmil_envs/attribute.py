"""What a state is made of: named attributes, and the observation space they span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces


@dataclass(frozen=True)
class Attribute:
    """One named column of a state, an integer in [0, n_values)."""

    name: str
    n_values: int
    hidden: bool = False
    """Part of the state but not of the observation."""
    predictable: bool = True
    """Whether the distribution of its next value depends on the state and the action."""
    optional: bool = False
    """Whether value 0 means that the attribute is absent: nothing is shown, and nothing may be read from it."""
    labels: tuple[str, ...] = ()
    """What people and language models read for each value; the number itself where empty."""

    def __post_init__(self) -> None:
        if self.n_values < 1:
            raise ValueError(f"attribute {self.name!r} must have at least 1 value, not {self.n_values}")
        if self.labels and len(self.labels) != self.n_values:
            raise ValueError(f"attribute {self.name!r} has {self.n_values} values but {len(self.labels)} labels")

    def label(self, value: int) -> str:
        """The word for a value."""
        return self.labels[value] if self.labels else str(value)


class AttributeSpace(spaces.MultiDiscrete):
    """A `MultiDiscrete` space whose columns are named attributes.

    To Gymnasium and Stable-Baselines3 it is a plain `MultiDiscrete`; whoever wants to know what a column means, or
    which values stand for "absent", asks `attributes`.
    """

    def __init__(self, attributes: Sequence[Attribute], seed: int | np.random.Generator | None = None) -> None:
        self.attributes = tuple(attributes)
        if not self.attributes:
            raise ValueError("an observation needs at least one attribute that is not hidden")
        if any(attribute.hidden for attribute in self.attributes):
            raise ValueError("hidden attributes are no part of an observation")
        n_values = [attribute.n_values for attribute in self.attributes]
        super().__init__(n_values, dtype=np.int32, seed=seed)  # type: ignore[arg-type]  # Gymnasium takes any integer

    def __repr__(self) -> str:
        columns = ", ".join(f"{attribute.name}={attribute.n_values}" for attribute in self.attributes)
        return f"AttributeSpace({columns})"

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, AttributeSpace) and self.attributes == other.attributes
