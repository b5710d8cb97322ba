"""Which rows of a batch of symbolic observations are copies of one another."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

MAX_OBSERVATIONS = 2**16
"""A space with more elements is too large for a table of all of them at every batch."""


def n_observations(space: spaces.Space[Any]) -> int | None:
    """How many observations a `Discrete`, `MultiDiscrete` or `MultiBinary` space has; None for any other."""
    match space:
        case spaces.Discrete():
            return int(space.n)
        case spaces.MultiDiscrete():
            return int(np.prod(space.nvec, dtype=object))
        case spaces.MultiBinary():
            return int(2 ** int(np.prod(space.shape)))
        case _:
            return None


def is_small(space: spaces.Space[Any]) -> bool:
    """Whether the distinct observations of a batch can be told by a table."""
    n = n_observations(space)
    return n is not None and n <= MAX_OBSERVATIONS


class DistinctObservations:
    """Picks one row of each distinct observation in a batch, by a table over the whole space, without sorting.

    Args:
        space: A small one, see `is_small`.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        n = n_observations(space)
        if n is None or n > MAX_OBSERVATIONS:
            size = "is not finite" if n is None else f"has {n:,} observations, more than {MAX_OBSERVATIONS:,}"
            raise ValueError(f"distinct_observations=True needs a small finite space, and {space} {size}: leave it out")
        self.n = n
        sizes: Any = getattr(space, "nvec", 2 if isinstance(space, spaces.MultiBinary) else n)
        sizes = np.broadcast_to(sizes, space.shape or (1,))
        strides = np.cumprod([1, *np.ravel(sizes)[:-1]]).astype(np.int32)
        starts = np.broadcast_to(np.ravel(getattr(space, "start", 0)), strides.shape).astype(np.int32)
        self._strides = torch.as_tensor(strides)
        self._first_code = int((starts * strides).sum())

    def codes(self, observations: Tensor) -> Tensor:
        """A number (B,) below `n` for each observation (B, ...), its own."""
        self._strides = self._strides.to(observations.device)
        codes: Tensor = observations.reshape(len(observations), -1).int() @ self._strides
        return codes - self._first_code if self._first_code else codes

    def table(self, observations: Tensor, numbers: Tensor) -> Tensor:
        """The number (B,) of each of these observations by its code (n,); -1 for the others of the space."""
        table = numbers.new_full((self.n,), -1)
        table[self.codes(observations)] = numbers  # any of equal rows will do
        return table

    def of(self, observations: Tensor) -> tuple[Tensor, Tensor] | None:
        """One row of each distinct observation (D, ...), and for each of B rows which it is; None if that saves little.

        It saves little where D is more than half of B.
        """
        n_rows = len(observations)
        row_of = self.table(observations, torch.arange(n_rows, device=observations.device))
        present = (row_of >= 0).nonzero().squeeze(1)
        if 2 * len(present) > n_rows:
            return None
        place_of = torch.empty_like(row_of)
        place_of[present] = torch.arange(len(present), device=present.device)
        return observations[row_of[present]], place_of.index_select(0, self.codes(observations))
