"""Boxes of tensor elements: for each dimension where they begin and where they end."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

Box = tuple[tuple[int, int], ...]
"""(start, stop) for each dimension; of a tensor without dimensions the one box is ()."""


def n_elements(box: Box) -> int:
    """How many elements a box has."""
    return prod(stop - start for start, stop in box)


def without(box: Box, other: Box) -> list[Box]:
    """The elements of a box that are not in the other one, as boxes."""
    common = tuple((max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, other, strict=True))
    if any(start >= stop for start, stop in common):
        return [box]
    pieces: list[Box] = []
    for dimension, ((start, stop), (first, last)) in enumerate(zip(box, common, strict=True)):
        before, after = common[:dimension], box[dimension + 1 :]
        pieces += [(*before, side, *after) for side in ((start, first), (last, stop)) if side[0] < side[1]]
    return pieces


def union(boxes: Iterable[Box]) -> list[Box]:
    """The elements of all these boxes, as boxes that share none of them."""
    disjoint: list[Box] = []
    for box in boxes:
        pieces = [box]
        for known in disjoint:
            pieces = [rest for piece in pieces for rest in without(piece, known)]
        disjoint += pieces
    return joined(disjoint)


def joined(boxes: list[Box]) -> list[Box]:
    """The same elements, with boxes that lie against each other made one where the whole is a box."""
    boxes = sorted(boxes)
    place = 0
    while place < len(boxes):
        for other in range(place + 1, len(boxes)):
            whole = together(boxes[place], boxes[other])
            if whole is not None:
                boxes[place] = whole
                del boxes[other]
                place = -1  # the larger box may lie against one that came before
                break
        place += 1
    return boxes


def together(first: Box, second: Box) -> Box | None:
    """The box that two of them make; None if they make none."""
    differing = [dimension for dimension, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    if len(differing) != 1:
        return None
    (dimension,) = differing
    (start, middle), (begin, stop) = sorted((first[dimension], second[dimension]))
    if middle != begin:
        return None
    return (*first[:dimension], (start, stop), *first[dimension + 1 :])
