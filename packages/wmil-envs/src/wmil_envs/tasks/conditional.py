"""Conditional: answer by shape, count and colour."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from wmil_envs.attribute import Attribute
from wmil_envs.task import Actions, States, Task

_SHAPES, _COUNTS, _COLOURS = ("circle", "square"), ("0", "1", "2", "3"), ("blue", "red")


@dataclass(frozen=True, kw_only=True)
class Conditional(Task):
    """Sixteen answers from up to three conditions.

    The shape names a block of four (circle 0-3, square 4-7), the count picks inside the block, red adds 8. A level with
    fewer conditions leaves the others out; a condition left out adds nothing.
    """

    name = "Conditional"
    levels = ("shape", "shape and count", "shape, count and colour")

    @property
    def n_actions(self) -> int:
        return len(_SHAPES) * len(_COUNTS) * len(_COLOURS)

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return (
            Attribute("shape", len(_SHAPES), labels=_SHAPES),
            Attribute("count", 1 + len(_COUNTS), optional=True, labels=("none", *_COUNTS)),
            Attribute("colour", 1 + len(_COLOURS), optional=True, labels=("none", *_COLOURS)),
        )

    def instances(self, level: int) -> States:
        shapes = range(len(_SHAPES))
        counts = range(1, 1 + len(_COUNTS)) if level >= 1 else (0,)
        colours = range(1, 1 + len(_COLOURS)) if level >= 2 else (0,)
        return np.array(list(product(shapes, counts, colours)), dtype=np.int32)

    def answers(self, states: States) -> Actions:
        shape, count, colour = states.T.astype(np.int64)
        return 4 * shape + np.maximum(count - 1, 0) + 8 * (colour == 2)

    def describe(self, state: npt.NDArray[np.int32]) -> str:
        shape, count, colour = (attribute.label(int(v)) for attribute, v in zip(self.attributes, state, strict=True))
        shown = [f"shape {shape}"]
        shown += [f"count {count}"] if count != "none" else []
        shown += [f"colour {colour}"] if colour != "none" else []
        return (
            f"Shown: {', '.join(shown)}. The right answer is 0 for a circle and 4 for a square, plus the count if one "
            "is shown, plus 8 if the colour is red."
        )
