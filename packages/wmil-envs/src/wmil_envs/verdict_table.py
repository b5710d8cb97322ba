"""What a lazy parent has said so far, and how it is asked for the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wmil_envs.bank import Bank
from wmil_envs.parent import FALLBACK, SOURCES, UNJUDGED, LazyParent, SourceCodes, Verdicts
from wmil_envs.task import Actions, States

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class VerdictTable:
    """The verdict on every cell (instance * n_actions + action) of a bank, unknown until the parent is asked.

    A verdict of the fallback, or none, is kept until the cell is asked about again, and stays unknown.

    Args:
        bank: of which no cell is known yet.
        parent: who is asked.
    """

    def __init__(self, bank: Bank, parent: LazyParent) -> None:
        self.parent = parent
        self._bank, self._n_actions = bank, bank.n_actions
        n_cells = bank.scores.size
        self.known: Bools = np.zeros(n_cells, dtype=np.bool_)
        """(I A,) which cells never have to be asked about again."""
        self.scores: Floats = np.zeros(n_cells)
        """(I A,) the latest verdict; 0 before the first one, and where there was none."""
        self.sources: SourceCodes = np.full(n_cells, UNJUDGED, dtype=np.uint8)
        """(I A,) where it comes from."""
        self.consistency: Floats | None = None
        """(I A,) the judge's own `cons`, not a number where it has none; None for a judge without."""
        if getattr(parent, "judges_consistency", False):
            self.consistency = np.full(n_cells, np.nan)
        self.following: Integers | None = None
        """(I A,) the next instance, the same one where it is unknown; None where the bank knows it."""
        if getattr(parent, "sets_following", False) and bank.successors is not None:
            self.following = np.repeat(np.arange(bank.n_instances), bank.n_actions)
        self.n_answers: Integers = np.zeros(len(SOURCES), dtype=np.int64)
        """How many answers of learners met a verdict of each source, while there were unknown cells."""
        self.n_unknown = n_cells
        self._places = {tuple(state): place for place, state in enumerate(bank.instances.tolist())}

    def ask(self, cells: Integers) -> bool:
        """Asks about those of these cells that are unknown, each once; whether there were any.

        Raises:
            ValueError: the parent's verdicts are not what a `LazyParent` promises.
        """
        unknown = cells[~self.known.take(cells)]
        if not len(unknown):
            return False
        wanted = np.unique(unknown)
        if getattr(self.parent, "asks_whole_instances", False):
            instances = np.unique(wanted // self._n_actions)
            wanted = (instances[:, None] * self._n_actions + np.arange(self._n_actions)).ravel()
            wanted = wanted[~self.known[wanted]]
        self._take(wanted, self.parent.verdicts(*self._pairs(wanted)))
        return True

    def recall(self) -> bool:
        """Takes over what the parent has recorded already, if it can tell without asking; whether that was anything."""
        wanted, n_before = np.flatnonzero(~self.known), self.n_unknown
        if len(wanted) and hasattr(self.parent, "recall"):
            self._take(wanted, self.parent.recall(*self._pairs(wanted)))
        return self.n_unknown < n_before

    def _pairs(self, cells: Integers) -> tuple[States, Actions]:
        return self._bank.instances[cells // self._n_actions], cells % self._n_actions

    def _take(self, wanted: Integers, verdicts: Verdicts) -> None:
        judged = self._checked(verdicts, len(wanted))
        self.scores[wanted] = np.where(judged, verdicts.scores, 0.0)
        self.sources[wanted] = verdicts.sources
        if self.consistency is not None:
            assert verdicts.consistency is not None
            self.consistency[wanted] = verdicts.consistency
        if self.following is not None:
            assert verdicts.following is not None
            self.following[wanted[judged]] = self._numbers(verdicts.following[judged])
        self.known[wanted] = judged & (verdicts.sources != FALLBACK)
        self.n_unknown = int(len(self.known) - np.count_nonzero(self.known))

    def bank(self) -> Bank:
        """The bank as far as it is known."""
        shape = self._bank.scores.shape
        known = None if self.n_unknown == 0 else self.known.reshape(shape).copy()
        scores = np.where(self.known, self.scores, 0.0).reshape(shape)
        if self.following is None:
            return replace(self._bank, scores=scores, known=known)
        return replace(self._bank, scores=scores, known=known, successors=self.following.reshape(*shape, 1).copy())

    def state_dict(self) -> dict[str, Any]:
        """Everything that was said, as arrays."""
        return {"instances": self._bank.instances.copy()} | {
            name: None if (values := getattr(self, name)) is None else values.copy() for name in _STATE
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned.

        Raises:
            ValueError: the state is of other instances: the parent has set others.
        """
        if not np.array_equal(state["instances"], self._bank.instances):
            raise ValueError(
                "the state's verdicts are of other instances than this parent has set: a parent that sets instances "
                "must be made with the store, or the recording, that it had"
            )
        for name in _STATE:
            own = getattr(self, name)
            setattr(self, name, None if own is None else np.array(state[name], dtype=own.dtype))
        self.n_unknown = int(len(self.known) - np.count_nonzero(self.known))

    def _checked(self, verdicts: Verdicts, n: int) -> Bools:
        """(n,) where somebody judged."""
        told = {name: values for name, values in verdicts._asdict().items() if values is not None}
        wanted = {"scores", "sources"}
        wanted |= set() if self.consistency is None else {"consistency"}
        wanted |= set() if self.following is None else {"following"}
        if missing := wanted - told.keys():
            raise ValueError(f"the parent's verdicts lack {' and '.join(sorted(missing))}")
        if any(len(values) != n for values in told.values()):
            raise ValueError(f"the parent was asked for {n} verdicts, and gave {len(verdicts.scores)}")
        if verdicts.sources.max() >= len(SOURCES):
            raise ValueError(f"the source of every verdict must be a place in {SOURCES}")
        judged: Bools = verdicts.sources != UNJUDGED
        for name in wanted & {"scores", "consistency"}:
            values = told[name][judged]
            values = values[~np.isnan(values)] if name == "consistency" else values
            if not ((values >= 0.0) & (values <= 1.0)).all():  # not a number is neither
                raise ValueError("every score must be a number from 0 to 1")
        return judged

    def _numbers(self, states: npt.NDArray[np.int32]) -> Integers:
        try:
            return np.array([self._places[tuple(state)] for state in states.tolist()], dtype=np.int64)
        except KeyError as error:
            raise ValueError(f"the parent answered with the state {error}, which is no instance") from error


_STATE = ("known", "scores", "sources", "consistency", "following", "n_answers")
