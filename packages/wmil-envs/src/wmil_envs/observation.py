"""What a learner sees: the visible attributes, then the outcome of its last answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from wmil_envs import rendering
from wmil_envs.attribute import Attribute, AttributeSpace
from wmil_envs.bank import Bank

ObservationForm = Literal["attributes", "onehot", "dict"]
Rows = npt.NDArray[np.int32]

FEEDBACK = ("none", "wrong", "right")


class Observation:
    """The columns of an observation and how their rows are made from a bank.

    After the task's visible attributes come the outcome columns: the last action and the parent's feedback, absent
    before the first answer, and, where an episode has several steps, how many are left. `Rows` of the methods below
    are (n, n_columns) and may be views of wider, aligned memory.
    """

    def __init__(self, bank: Bank, *, time_aware: bool, form: ObservationForm) -> None:
        if form not in get_args(ObservationForm):
            raise ValueError(f"obs must be one of {', '.join(get_args(ObservationForm))}, not {form!r}")
        actions = tuple(str(action) for action in range(bank.n_actions))
        outcome = [
            Attribute("last_action", bank.n_actions + 1, optional=True, labels=("none", *actions)),
            Attribute("feedback", len(FEEDBACK), optional=True, labels=FEEDBACK),
        ]
        self.steps_left = bank.horizon > 1 and time_aware
        if self.steps_left:
            outcome.append(Attribute("steps_left", bank.horizon + 1))
        visible = [attribute for attribute in bank.attributes if not attribute.hidden]
        self.attributes = (*visible, *outcome)
        self.n_visible, self.n_columns = len(visible), len(self.attributes)
        self.bank, self.form = bank, form
        self._offsets = np.cumsum([0, *(attribute.n_values for attribute in self.attributes)])

    def starts(self) -> Rows:
        """(I, width) the first observation of an episode for every instance, padded for gathers (see `_padded`)."""
        rows = self._padded(self.bank.n_instances)
        rows[:, : self.n_visible] = self.bank.visible
        if self.steps_left:
            rows[:, self.n_visible + 2] = self.bank.horizon
        return rows

    def outcomes(self, following: npt.NDArray[np.int64], right: npt.NDArray[np.bool_]) -> Rows:
        """(I A, width) the observation after every (instance, action), steps left still to be filled in.

        Args:
            following: (I, A) the next instance.
            right: (I, A) whether the feedback says right.
        """
        rows = self._padded(following.size)
        rows[:, : self.n_visible] = self.bank.visible[following.ravel()]
        rows[:, self.n_visible] = np.tile(np.arange(1, self.bank.n_actions + 1), self.bank.n_instances)
        rows[:, self.n_visible + 1] = 1 + right.ravel()
        return rows

    def _padded(self, n: int) -> Rows:
        # Rows of 16 or 32 bytes are gathered three times as fast as rows of 12 or 20: one aligned copy each.
        width = self.n_columns if self.n_columns > 8 else 4 if self.n_columns <= 4 else 8
        return np.zeros((n, width), dtype=np.int32)

    def space(self) -> spaces.Space[Any]:
        """The observation space of one env."""
        match self.form:
            case "attributes":
                return AttributeSpace(self.attributes)
            case "onehot":
                return spaces.Box(0.0, 1.0, (int(self._offsets[-1]),), dtype=np.float32)
            case "dict":
                return spaces.Dict({a.name: spaces.Discrete(a.n_values) for a in self.attributes})

    def encoder(self) -> Callable[[Rows], Any] | None:
        """What turns rows (..., n_columns) into the space's form; None where they are it already."""
        return {"attributes": None, "onehot": self.onehot, "dict": self._as_dict}[self.form]

    def onehot(self, rows: Rows) -> npt.NDArray[np.float32]:
        """(..., sum of n_values) one indicator for each value of each column."""
        encoded = np.zeros((*rows.shape[:-1], self._offsets[-1]), dtype=np.float32)
        np.put_along_axis(encoded, rows + self._offsets[:-1], 1.0, axis=-1)
        return encoded

    def _as_dict(self, rows: Rows) -> dict[str, Any]:
        return {a.name: rows[..., column].astype(np.int64) for column, a in enumerate(self.attributes)}

    def label(self, row: Rows) -> list[tuple[str, str]]:
        """The name and the word for each column of one row (n_columns,)."""
        return [(a.name, a.label(int(value))) for a, value in zip(self.attributes, row, strict=True)]

    @property
    def widest_row(self) -> int:
        """Characters of the widest possible picture, so that all pictures of one env have one size."""
        longest_label = max(len(a.label(value)) for a in self.attributes for value in range(a.n_values))
        return max(len(a.name) for a in self.attributes) + rendering.GAP + longest_label

    def prompt(self, row: Rows) -> str:
        """One row (n_columns,) as text for a language model that plays."""
        shown = "; ".join(f"{name}: {label}" for name, label in self.label(row))
        return f"{shown}. Choose an action from 0 to {self.bank.n_actions - 1}."
