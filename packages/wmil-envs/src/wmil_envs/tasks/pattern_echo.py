"""PatternEcho: answer with the symbol shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wmil_envs.attribute import Attribute
from wmil_envs.integer import checked_integer
from wmil_envs.task import Actions, States, Task


@dataclass(frozen=True, kw_only=True)
class PatternEcho(Task):
    """Answer with the symbol shown.

    ## Description

    The parent shows one of `n_symbols` symbols, and the action that means the same symbol is right. It is the smallest
    world in which anything can be learnt: as many facts as symbols, each worth one bit of reward at a time. With
    `alphabet` the actions mean the symbols in another order, so that copying a number is no solution.

    Levels: half of the symbols, all symbols (default); with 16 symbols or more, a quarter comes first. A level
    restricts the symbols shown, never the actions.

    ## Observation space

    `AttributeSpace(symbol=n_symbols, last_action=n_symbols + 1, feedback=3)`, a `MultiDiscrete`.
    After the task's own columns come `last_action` (0 for none, else the action plus 1) and `feedback` (none, wrong,
    right), both absent before the first answer, and `steps_left` where an episode has several steps.

    ## Action space

    `Discrete(n_symbols)`.

    ## Reward

    1 for the right action, 0 for any other, as the parent judges it.

    ## Episode end

    After `horizon` answers, by `terminated`. Success never ends an episode, and `truncated` comes from an outer time
    limit only.

    ## Oracles

    For one step and the rule parent: random return 1 / n_symbols, best memoryless and optimal return 1, world-model
    floor 0 for every attribute. With `dynamics="fresh"` the next symbol cannot be foreseen: its floor is
    (n - 1) / n^2 for n symbols shown.

    ## Arguments

    `n_symbols=8`: symbols, and actions; at least 2.
    Every environment also takes `horizon`, `dynamics`, `alphabet`, `level`, `curriculum`, `parent`, `time_aware`,
    `obs`, `info`, `reward_weights`, `reveals_all_actions` and `render_mode`; `SymbolicEnv` describes them.

    ## Version history

    v0: first version.
    """

    n_symbols: int = 8
    """Symbols, and actions: at least 2."""

    name = "PatternEcho"
    levels = ("half of the symbols", "all symbols")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(n_symbols=checked_integer("n_symbols (and with it n_actions)", self.n_symbols, 2))
        if self.n_symbols >= 16:
            self._set(levels=("a quarter of the symbols", *type(self).levels))

    @property
    def n_actions(self) -> int:
        return self.n_symbols

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return (Attribute("symbol", self.n_symbols),)

    def instances(self, level: int) -> States:
        halvings = len(self.levels) - 1 - level
        n_shown = max(1, self.n_symbols >> halvings)
        return np.arange(n_shown, dtype=np.int32)[:, None]

    def answers(self, states: States) -> Actions:
        return states[:, 0].astype(np.int64)

    def describe(self, state: npt.NDArray[np.int32]) -> str:
        return f"The symbol {state[0]} is shown. The right answer is the symbol shown."
