"""PatternEcho: answer with the symbol shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wmil_envs.attribute import Attribute
from wmil_envs.task import Actions, States, Task


@dataclass(frozen=True, kw_only=True)
class PatternEcho(Task):
    """Echo one of `n_symbols` symbols; a level restricts the symbols shown, never the actions."""

    n_symbols: int = 8
    """Symbols, and actions: at least 2."""

    name = "PatternEcho"
    levels = ("half of the symbols", "all symbols")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_symbols < 2:
            raise ValueError(f"n_symbols (and with it n_actions) must be at least 2, not {self.n_symbols}")
        if self.n_symbols >= 16:
            object.__setattr__(self, "levels", ("a quarter of the symbols", *type(self).levels))

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
