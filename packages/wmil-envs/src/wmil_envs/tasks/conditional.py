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
    """Answer by shape, count and colour.

    ## Description

    Three conditions make sixteen answers: the shape names a block of four (circle 0 to 3, square 4 to 7), the count
    from 0 to 3 picks inside the block, and red adds 8. No two states of a level share an answer, so each condition
    matters.

    Levels: shape; shape and count; shape, count and colour (default). They are nested: a condition that is left out is
    absent from the observation and adds nothing.

    ## Observation space

    `AttributeSpace(shape=2, count=5, colour=3, last_action=17, feedback=3)`, a `MultiDiscrete`. `count` is the number
    plus 1 and `colour` is 1 for blue and 2 for red; 0 is absent.
    After the task's own columns come `last_action` (0 for none, else the action plus 1) and `feedback` (none, wrong,
    right), both absent before the first answer, and `steps_left` where an episode has several steps.

    ## Action space

    `Discrete(16)`, at every level.

    ## Reward

    1 for the right action, 0 for any other, as the parent judges it.

    ## Episode end

    After `horizon` answers, by `terminated`. Success never ends an episode, and `truncated` comes from an outer time
    limit only.

    ## Oracles

    For one step and the rule parent: random return 1/16, best memoryless and optimal return 1, world-model floor 0 for
    every attribute, at every level.

    ## Arguments

    Every environment also takes `horizon`, `dynamics`, `alphabet`, `level`, `curriculum`, `parent`, `time_aware`,
    `obs`, `info`, `reward_weights`, `reveals_all_actions` and `render_mode`; `SymbolicEnv` describes them.

    ## Version history

    v0: first version.
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
        answers: Actions = 4 * shape + np.maximum(count - 1, 0) + 8 * (colour == 2)
        return answers

    def describe(self, state: npt.NDArray[np.int32]) -> str:
        shape, count, colour = (attribute.label(int(v)) for attribute, v in zip(self.attributes, state, strict=True))
        shown = [f"shape {shape}"]
        shown += [f"count {count}"] if count != "none" else []
        shown += [f"colour {colour}"] if colour != "none" else []
        return (
            f"Shown: {', '.join(shown)}. The right answer is 0 for a circle and 4 for a square, plus the count if one "
            "is shown, plus 8 if the colour is red."
        )
