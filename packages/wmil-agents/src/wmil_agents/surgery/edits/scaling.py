"""Edits that multiply: all targets of one in a few calls, however many there are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from wmil_agents.surgery.boxes import together
from wmil_agents.surgery.edit import Edit
from wmil_agents.surgery.operation import Operation, PartOf
from wmil_agents.surgery.region import Region
from wmil_agents.surgery.target import Target


class Scaling(Edit):
    """Contract: multiplies each target by `factor(strength)`; a factor of 0 sets it to 0, whatever was there."""

    @abstractmethod
    def factor(self, strength: float) -> float:
        """What a target is multiplied by; not asked at a strength of 0."""

    def operation(self, chosen: Sequence[Target], part_of: PartOf) -> Operation:
        """Multiplies the targets, those that lie side by side together."""
        return ScalingOperation(self, chosen, part_of)

    def change_copies(
        self, chosen: Sequence[Target], copies_of: PartOf, rows: Sequence[int], strengths: Sequence[Sequence[float]]
    ) -> None:
        """Multiplies all copies of a region in one call."""
        numbers = [[*own] * len(chosen) if len(own) == 1 else own for own in strengths]
        for place, target in enumerate(chosen):
            factors = {row: self.factor(own[place]) for row, own in zip(rows, numbers, strict=True) if own[place]}
            for copies in map(copies_of, target.regions):
                scale_rows(copies, factors)


class ScalingOperation(Operation):
    """The targets of one `Scaling`, multiplied in one call if none of their numbers is 0."""

    def __init__(self, edit: Scaling, chosen: Sequence[Target], part_of: PartOf) -> None:
        self.factor = edit.factor
        self.n_numbers = len(chosen)
        self._parts = [[part_of(region) for region in target.regions] for target in chosen]
        self._blocks: list[Tensor] = []
        """Equal parts side by side as one view, the parts along its own dimension."""
        self._factors_of_blocks: list[Tensor] = []
        self._factors: list[Tensor] = []
        """One value for each target: a vector for each device and precision."""
        self._held: list[float] | None = None
        """The factors that these vectors hold."""
        self._make_blocks(chosen, part_of)

    def apply(self, numbers: Sequence[float]) -> None:
        """Multiplies each target by the factor of its number."""
        factors = [self.factor(number) if number else 1.0 for number in numbers]
        if all(numbers) and all(factors):
            if factors != self._held:
                self._held = None
                for vector in self._factors:
                    vector.copy_(torch.tensor(factors, dtype=vector.dtype))
                self._held = factors
            torch._foreach_mul_(self._blocks, self._factors_of_blocks)
            return
        for number, factor, views in zip(numbers, factors, self._parts, strict=True):
            if not number:
                continue
            for view in views:
                if factor:
                    view.mul_(factor)
                else:
                    view.zero_()

    def _make_blocks(self, chosen: Sequence[Target], part_of: PartOf) -> None:
        vectors: dict[tuple[torch.device, torch.dtype], Tensor] = {}
        for number in range(max(len(target.regions) for target in chosen)):
            first = 0
            while first < len(chosen):
                regions, dimension = _side_by_side([_region(target, number) for target in chosen[first:]])
                if regions:
                    view = part_of(_whole(regions))
                    precision = torch.promote_types(view.dtype, torch.float32)
                    vector = vectors.setdefault(
                        (view.device, precision), torch.empty(len(chosen), dtype=precision, device=view.device)
                    )
                    if view.dim():
                        before, size, after = view.shape[:dimension], view.shape[dimension], view.shape[dimension + 1 :]
                        view = view.view(*before, len(regions), size // len(regions), *after)
                        shape = [1] * view.dim()
                        shape[dimension] = len(regions)
                    else:
                        shape = []
                    self._blocks.append(view)
                    self._factors_of_blocks.append(vector[first : first + len(regions)].view(shape))
                first += max(1, len(regions))
        self._factors = list(vectors.values())


def scale_rows(copies: Tensor, factors: Mapping[int, float]) -> None:
    """Multiplies rows of (n, ...) by their factors in place; the others keep every bit."""
    for row in (row for row, factor in factors.items() if not factor):
        copies[row].zero_()
    plain = {row: factor for row, factor in factors.items() if factor}
    precision = torch.promote_types(copies.dtype, torch.float32)
    column = torch.tensor(list(plain.values()), dtype=precision, device=copies.device)
    column = column.view(-1, *[1] * (copies.dim() - 1))
    if list(plain) == list(range(len(copies))):
        copies.mul_(column)
    elif plain:
        index = torch.tensor(list(plain), device=copies.device)
        copies[index] = (copies[index] * column).to(copies.dtype)


def _region(target: Target, number: int) -> Region | None:
    return target.regions[number] if number < len(target.regions) else None


def _side_by_side(regions: Sequence[Region | None]) -> tuple[list[Region], int]:
    """As many of the first regions as are equal boxes in a row of one tensor, and along which dimension they lie."""
    row: list[Region] = []
    dimension = 0
    for region in regions:
        if region is None:
            break
        if row:
            if region.tensor != row[0].tensor or together(row[-1].box, region.box) is None:
                break
            (along,) = [place for place, (a, b) in enumerate(zip(row[-1].box, region.box, strict=True)) if a != b]
            (start, stop), (first, last) = row[-1].box[along], region.box[along]
            if first != stop or last - first != stop - start or (len(row) > 1 and along != dimension):
                break
            dimension = along
        row.append(region)
    return row, dimension


def _whole(regions: Sequence[Region]) -> Region:
    """The region that reaches from the first to the last of a row."""
    ends = zip(regions[0].box, regions[-1].box, strict=True)
    return Region(regions[0].tensor, tuple((first[0], last[1]) for first, last in ends))
