"""An edit along the leading singular directions of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.operation import Operation, PartOf
from wmil_agents.surgery.target import Target


@dataclass(frozen=True)
class LowRank(Edit):
    """W -> W + sum of strength_i s_i u_i v_i^T over the first singular values s_i, with their directions u_i and v_i.

    The directions are those of W as the operation finds it, and are computed anew only when W is another one.

    Args:
        target: one matrix, or several: parts without two dimensions, like biases, stay as they are.
        strength: one number; or several, `rank` of them for each target.
        rank: how many directions.
    """

    kind = "low_rank"

    rank: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, not {self.rank}")

    def n_strengths(self, n_targets: int) -> int:
        """One, or `rank` for each target."""
        return n_targets * self.rank if isinstance(self.strength, Sequence) else 1

    def operation(self, chosen: Sequence[Target], part_of: PartOf) -> Operation:
        """Adds to each matrix.

        Raises:
            ValueError: there is none, or one has fewer singular values than `rank`.
        """
        matrices = [[part_of(region) for region in target.regions if len(region.box) == 2] for target in chosen]
        for target, views in zip(chosen, matrices, strict=True):
            if not views:
                raise ValueError(f"low-rank edits are of matrices, and {target.name} has none")
            for view in views:
                if min(view.shape) < self.rank:
                    raise ValueError(f"{target.name} has {min(view.shape)} singular values, fewer than {self.rank}")
        return LowRankOperation([[Directions(view, self.rank) for view in views] for views in matrices], self.rank)


class Directions:
    """The leading singular directions of a matrix, remembered while it has the same values.

    Args:
        matrix: the view that is edited.
        rank: how many.
    """

    def __init__(self, matrix: Tensor, rank: int) -> None:
        self.matrix = matrix
        self.rank = rank
        self._seen: Tensor | None = None
        self._left, self._right = matrix, matrix

    def add(self, numbers: Sequence[float]) -> None:
        """Changes the matrix by so much along each of them."""
        if self._seen is None or not torch.equal(self._seen, self.matrix):
            self._seen = self.matrix.clone()
            precise = self.matrix.to(torch.promote_types(self.matrix.dtype, torch.float32))
            left, values, right = torch.linalg.svd(precise, full_matrices=False)
            self._left = left[:, : self.rank] * values[: self.rank]
            self._right = right[: self.rank]
        weights = torch.tensor(numbers, dtype=self._left.dtype, device=self._left.device)
        self.matrix.add_((self._left * weights) @ self._right)


class LowRankOperation(Operation):
    """The matrices of one `LowRank`."""

    def __init__(self, directions: Sequence[Sequence[Directions]], rank: int) -> None:
        self._directions = directions
        self._rank = rank
        self.n_numbers = len(directions) * rank

    def apply(self, numbers: Sequence[float]) -> None:
        """One target after the other."""
        for place, directions in enumerate(self._directions):
            own = numbers[place * self._rank : (place + 1) * self._rank]
            if any(own):
                for one in directions:
                    one.add(own)
