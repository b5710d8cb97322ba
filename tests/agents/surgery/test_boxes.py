from __future__ import annotations

import numpy as np
import pytest

from wmil_agents.surgery.boxes import Box, n_elements, union, without


def marked(shape: tuple[int, ...], boxes: list[Box]) -> np.ndarray:
    counts = np.zeros(shape, dtype=int)
    for box in boxes:
        counts[tuple(slice(*side) for side in box)] += 1
    return counts


def test_a_hole_in_the_middle_leaves_four_boxes() -> None:
    rest = without(((0, 5), (0, 5)), ((1, 3), (2, 4)))
    assert len(rest) == 4
    assert sum(map(n_elements, rest)) == 25 - 4


@pytest.mark.parametrize("shape", [(12,), (7, 9), (4, 5, 6)])
def test_a_union_has_every_element_once(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        boxes = [
            tuple(
                (int(start), int(rng.integers(start + 1, size + 1))) for size in shape for start in [rng.integers(size)]
            )
            for _ in range(rng.integers(1, 6))
        ]
        disjoint = union(boxes)
        np.testing.assert_array_equal(marked(shape, disjoint), marked(shape, boxes) > 0)


def test_rows_that_lie_against_each_other_become_one_box() -> None:
    heads = [((4 * head, 4 * head + 4), (0, 16)) for head in (2, 0, 3, 1)]
    assert union(heads) == [((0, 16), (0, 16))]


def test_a_number_is_the_box_without_dimensions() -> None:
    assert union([(), ()]) == [()]
    assert n_elements(()) == 1
