"""SequenceNext: continue a sequence that is shown in part."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from wmil_envs.attribute import Attribute
from wmil_envs.integer import checked_integer
from wmil_envs.task import Actions, States, Task

_ABSENT = 0
_RULES = ("repeat the first difference", "repeat the last difference")


@dataclass(frozen=True, kw_only=True)
class SequenceNext(Task):
    """Continue a sequence of numbers.

    ## Description

    The parent shows two or three numbers, and the action that means the next one is right. With differences d1 and d2
    between the numbers the next one repeats d1, modulo `n_symbols`: that continues constant steps (d1 = d2) as well as
    alternating ones. On the last level a hidden rule decides whether d1 or d2 is repeated.

    Levels: count on from 2 numbers, count on from 3, arithmetic (any step, up or down, within the range; default),
    modular (any step, wrapping around), alternating (d1 and d2 differ), hidden rule.

    ## Observation space

    `AttributeSpace(element_1=n_symbols + 1, element_2=n_symbols, element_3=n_symbols, last_action=n_symbols + 1,
    feedback=3)`, a `MultiDiscrete`. `element_1` is the number plus 1, and 0, absent, where two numbers are shown.
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

    For one step and the rule parent: random return 1 / n_symbols and optimal return 1 at every level. What is visible
    decides the answer, so the best memoryless return is 1 too, but for the level with the hidden rule, where it is 1/2:
    "optimal" knows the whole state, hidden parts included.

    ## Arguments

    `n_symbols=8`: numbers that a sequence is made of, and actions; at least 4.
    Every environment also takes `horizon`, `dynamics`, `alphabet`, `level`, `curriculum`, `parent`, `time_aware`,
    `obs`, `info`, `reward_weights`, `reveals_all_actions` and `render_mode`; `SymbolicEnv` describes them.

    ## Version history

    v0: first version.
    """

    n_symbols: int = 8
    """Numbers that a sequence is made of, and actions: at least 4."""

    name = "SequenceNext"
    levels = ("count on from 2", "count on from 3", "arithmetic", "modular", "alternating", "hidden rule")
    default_level = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(n_symbols=checked_integer("n_symbols (and with it n_actions)", self.n_symbols, 4))

    @property
    def n_actions(self) -> int:
        return self.n_symbols

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        numbers = tuple(str(number) for number in range(self.n_symbols))
        return (
            Attribute("element_1", self.n_symbols + 1, optional=True, labels=("none", *numbers)),
            Attribute("element_2", self.n_symbols),
            Attribute("element_3", self.n_symbols),
            Attribute("rule", len(_RULES), hidden=True, labels=_RULES),
        )

    def instances(self, level: int) -> States:
        n = self.n_symbols
        everything, nonzero = range(n), [step for step in range(1 - n, n) if step != 0]
        rows: list[tuple[int, int, int, int]]
        match level:
            case 0:
                rows = [(_ABSENT, a, a + 1, 0) for a in range(n - 2)]
            case 1:
                rows = [(1 + a, a + 1, a + 2, 0) for a in range(n - 3)]
            case 2:
                in_range = [(a, d) for a, d in product(everything, nonzero) if 0 <= a + 3 * d < n]
                rows = [(1 + a, a + d, a + 2 * d, 0) for a, d in in_range]
            case 3:
                rows = [(1 + a, (a + d) % n, (a + 2 * d) % n, 0) for a, d in product(everything, range(1, n))]
            case _:
                rules = range(1) if level == 4 else range(len(_RULES))
                steps = [(d, e) for d, e in product(range(1, n), repeat=2) if d != e]
                rows = [
                    (1 + a, (a + d) % n, (a + d + e) % n, rule) for a, (d, e), rule in product(everything, steps, rules)
                ]
        return np.array(rows, dtype=np.int32)

    def answers(self, states: States) -> Actions:
        first, second, third, rule = states.T.astype(np.int64)
        last_difference = third - second
        first_difference = np.where(first == _ABSENT, last_difference, second - (first - 1))
        following: Actions = (third + np.where(rule == 0, first_difference, last_difference)) % self.n_symbols
        return following

    def describe(self, state: npt.NDArray[np.int32]) -> str:
        first, second, third, rule = (int(value) for value in state)
        shown = [second, third] if first == _ABSENT else [first - 1, second, third]
        return (
            f"A sequence of numbers from 0 to {self.n_symbols - 1} begins {', '.join(map(str, shown))}. "
            f"The right answer is the next number, modulo {self.n_symbols}; the rule is to {_RULES[rule]}."
        )
