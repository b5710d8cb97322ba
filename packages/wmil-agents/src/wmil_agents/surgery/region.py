"""A part of a parameter, written as `name[0:16, :]`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from wmil_agents.surgery.boxes import Box, n_elements

WRITTEN = re.compile(r"(?P<name>[^\[\]]+)\[(?P<places>[^\[\]]*)\]")
PLACE = re.compile(r"(?P<start>-?\d+)?(?P<colon>:(?P<stop>-?\d+)?)?")


@dataclass(frozen=True)
class Region:
    """A box of one parameter's elements."""

    tensor: str
    """The parameter's name in the model."""
    box: Box
    """Where in it, for each of its dimensions."""

    def __str__(self) -> str:
        return f"{self.tensor}[{', '.join(f'{start}:{stop}' for start, stop in self.box)}]"

    @property
    def n_elements(self) -> int:
        """How many elements it has."""
        return n_elements(self.box)

    def of(self, tensor: Tensor) -> Tensor:
        """The view of a tensor of the parameter's shape."""
        return tensor[tuple(slice(start, stop) for start, stop in self.box)] if self.box else tensor


def parts_of(target: str) -> tuple[str, str | None]:
    """The name, and what stands between the brackets after it; None without brackets."""
    found = WRITTEN.fullmatch(target)
    return (target, None) if found is None else (found["name"], found["places"])


def box_of(places: str, shape: Sequence[int], target: str) -> Box:
    """The box that is written between brackets: `0:16`, `:`, `-4:` or `3` for each dimension, the last ones left out.

    Raises:
        ValueError: it is no box of a tensor of this shape; `target` is named.
    """
    written = [place.strip() for place in places.split(",")]
    if len(written) > len(shape):
        raise ValueError(f"{target} has {len(written)} dimensions, and the parameter is of shape {tuple(shape)}")
    box = []
    for place, size in zip(written, shape, strict=False):
        found = PLACE.fullmatch(place)
        if found is None or not place:
            raise ValueError(f"{target}: write start:stop, : or a number for each dimension, not {place!r}")
        start = int(found["start"] or 0)
        if found["colon"] is None:
            indices = range(start, start + 1) if start >= 0 else range(start + size, start + size + 1)
        else:
            indices = range(*slice(start, None if found["stop"] is None else int(found["stop"])).indices(size))
        if not indices or indices[0] < 0 or indices[-1] >= size:
            raise ValueError(f"{target}: {place} is nothing of a dimension of {size}")
        box.append((indices[0], indices[-1] + 1))
    return (*box, *((0, size) for size in shape[len(written) :]))
