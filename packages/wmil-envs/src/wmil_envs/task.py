"""A task: what is asked and what is right, as rules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from wmil_envs.attribute import Attribute
from wmil_envs.dynamics import DYNAMICS
from wmil_envs.integer import checked_integer

States = npt.NDArray[np.int32]
Actions = npt.NDArray[np.int64]


MAX_HORIZON = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A finite family of questions, each with exactly one correct answer.

    A state is a row of integers, one column per attribute. The rules below are written in terms of *answers*; an
    alphabet says which action means which answer, so that nothing can be learnt from the number of an action.
    """

    horizon: int = 1
    """Answers in one episode."""
    dynamics: str = "same"
    """What follows an answer: `same`, `fresh`, `permute` or `respond`."""
    alphabet: int | None = None
    """Seed of a permutation of what the actions mean; None leaves action a to mean answer a."""

    name: ClassVar[str]
    levels: ClassVar[tuple[str, ...]]
    """A name for each level, the easiest first."""
    default_level: ClassVar[int] = -1

    def __post_init__(self) -> None:
        self._set(horizon=checked_integer("horizon", self.horizon, 1))
        if self.horizon > MAX_HORIZON:
            raise ValueError(f"horizon must be at most {MAX_HORIZON:,}, not {self.horizon:,}")
        if self.dynamics not in DYNAMICS:
            raise ValueError(f"dynamics must be one of {', '.join(DYNAMICS)}, not {self.dynamics!r}")
        if self.alphabet is not None:
            self._set(alphabet=checked_integer("alphabet", self.alphabet, 0))

    def _set(self, **values: Any) -> None:
        """Replace fields by their checked values: equal tasks must hold equal plain numbers."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    @abstractmethod
    def n_actions(self) -> int:
        """Number of actions, the same at every level."""

    @property
    @abstractmethod
    def attributes(self) -> tuple[Attribute, ...]:
        """The columns of a state, hidden ones included, the same at every level."""

    @abstractmethod
    def instances(self, level: int) -> States:
        """The states (m, n_attributes) that an episode of this level starts from, all equally likely."""

    @abstractmethod
    def answers(self, states: States) -> Actions:
        """The one correct answer (n,) to each state (n, n_attributes)."""

    @abstractmethod
    def describe(self, state: npt.NDArray[np.int32]) -> str:
        """The question of one state (n_attributes,), for people and language models."""

    @cached_property
    def action_of_answer(self) -> Actions:
        """The action (n_actions,) that means each answer."""
        if self.alphabet is None:
            return np.arange(self.n_actions)
        return np.random.default_rng(self.alphabet).permutation(self.n_actions)

    @cached_property
    def answer_of_action(self) -> Actions:
        """The answer (n_actions,) that each action means."""
        return np.argsort(self.action_of_answer)

    def correct_actions(self, states: States) -> Actions:
        """The one correct action (n,) in each state (n, n_attributes)."""
        return self.action_of_answer[self.answers(states)]

    def describe_action(self, action: int) -> str:
        """What an action says, for people and language models."""
        return f"the answer {self.answer_of_action[action]}"

    def level_index(self, level: Any) -> int:
        """The number of a level that a caller named, the default one for None.

        Raises:
            ValueError: there is no such level.
        """
        if level is None:
            return self.default_level % len(self.levels)
        if isinstance(level, bool) or not isinstance(level, (int, np.integer)) or not 0 <= level < len(self.levels):
            names = ", ".join(f"{index} ({name})" for index, name in enumerate(self.levels))
            raise ValueError(f"{self.name} has the levels {names}, not {level!r}")
        return int(level)
