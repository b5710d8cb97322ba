"""A memory of which actions failed and which were rewarded, for learners whose every step is judged by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wmil_agents.buffers.keyed_ring import KeyedRing, keys_of
from wmil_envs.integer import checked_integer

Arrays = NDArray[Any] | dict[str, NDArray[Any]]
UNKNOWN, FAILED, REWARDED = 0, 1, 2


@dataclass(frozen=True)
class EventReplay:
    """How remembered events are learnt from again, beside each update's own steps.

    To the algorithm's loss is added weight * -mean log P(s) over remembered observations s, P(s) the probability of the
    actions that may still be right: the rewarded ones where there are any, else all that have not failed.
    """

    weight: float = 1.0
    """Weight of the loss."""
    rewarded: bool = True
    """Whether rewards are remembered; without them, only that an action failed."""
    n_replayed: int = 32
    """Observations in an update; all that are remembered while they are no more."""
    threshold: float = 0.5
    """A step with a return below this failed; any other was rewarded."""
    capacity: int = 4096
    """Distinct observations to remember; beyond it the one that came first is forgotten."""

    def __post_init__(self) -> None:
        if not 0.0 < self.weight < inf:
            raise ValueError(
                f"the weight of event replay must be above 0 and finite, not {self.weight}: leave event replay out "
                "where it is to weigh nothing"
            )
        if not isfinite(self.threshold):
            raise ValueError(
                f"the threshold of event replay must be a finite number, not {self.threshold}: a return between those "
                "of failures and of rewards"
            )
        checked_integer("n_replayed", self.n_replayed, at_least=1)
        checked_integer("capacity", self.capacity, at_least=1)

    @classmethod
    def of(cls, value: EventReplay | Mapping[str, Any] | bool | None) -> EventReplay | None:
        """Settings from themselves, from plain data or from True (the defaults); None from False or None."""
        if value is None or value is False:
            return None
        if value is True:
            return cls()
        if isinstance(value, Mapping):
            return cls(**value)
        if not isinstance(value, EventReplay):
            raise ValueError(f"event_replay is an EventReplay, its fields as a mapping, True or False, not {value!r}")
        return value


class EventMemory:
    """The newest outcome, failed or rewarded, of every action in every distinct observation.

    Args:
        n_actions: Size of the action space.
        settings: What to remember, and how much of it.
        seed: Of the draws; None for a fresh one.
    """

    def __init__(self, n_actions: int, settings: EventReplay, seed: int | None = None) -> None:
        self.settings = settings
        self._rng = np.random.default_rng(seed)
        self._outcomes = np.zeros((settings.capacity, n_actions), dtype=np.int8)
        self._observations: dict[str, NDArray[Any]] = {}
        self._ring = KeyedRing(settings.capacity)

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def n_failures(self) -> int:
        """(Observation, action) pairs remembered as failed."""
        return int(np.count_nonzero(self._outcomes == FAILED))

    @property
    def n_rewards(self) -> int:
        """(Observation, action) pairs remembered as rewarded."""
        return int(np.count_nonzero(self._outcomes == REWARDED))

    def add(self, observations: Arrays, actions: NDArray[Any], returns: NDArray[Any]) -> None:
        """Remembers a batch of steps, one per row."""
        columns = observations if isinstance(observations, dict) else {"": observations}
        if not self._observations:
            shape = (self.settings.capacity,)
            self._observations = {
                name: np.zeros(shape + rows.shape[1:], dtype=rows.dtype) for name, rows in columns.items()
            }
        taken = actions.reshape(len(actions)).astype(np.int64).tolist()
        failed = (returns < self.settings.threshold).tolist()
        success = REWARDED if self.settings.rewarded else UNKNOWN
        keys = keys_of(list(columns.values()))
        for index, (key, action, has_failed) in enumerate(zip(keys, taken, failed, strict=True)):
            row = self._ring.row_of(key)
            if row is None:
                row, _ = self._ring.add(key)
                self._outcomes[row] = UNKNOWN
                for name, rows in columns.items():
                    self._observations[name][row] = rows[index]
            self._outcomes[row, action] = FAILED if has_failed else success

    def sample(self) -> tuple[Arrays, NDArray[np.bool_]] | None:
        """Observations, and which actions may be right in each (n, n_actions); None where nothing is known.

        They are drawn evenly without replacement. An observation in which every action failed says nothing.
        """
        outcomes = self._outcomes[: len(self)]
        rewarded = outcomes == REWARDED
        possible = np.where(rewarded.any(1, keepdims=True), rewarded, outcomes != FAILED)
        n_possible = possible.sum(1)
        told = np.flatnonzero((n_possible > 0) & (n_possible < possible.shape[1]))
        if not len(told):
            return None
        if len(told) > self.settings.n_replayed:
            told = self._rng.choice(told, self.settings.n_replayed, replace=False, shuffle=False)
        drawn = {name: rows[told] for name, rows in self._observations.items()}
        observations: Arrays = drawn.get("", drawn)
        return observations, possible[told]

    def state_dict(self) -> dict[str, Any]:
        """Everything remembered, as arrays, and the generator's state, as plain data."""
        return {
            "observations": {name: rows[: len(self)].copy() for name, rows in self._observations.items()},
            "outcomes": self._outcomes[: len(self)].copy(),
            "next_row": self._ring.next_row,
            "generator": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        outcomes: NDArray[np.int8] = state["outcomes"]
        n_rows, (capacity, n_actions) = len(outcomes), self._outcomes.shape
        if n_rows > capacity or outcomes.shape[1] != n_actions:
            raise ValueError(
                f"{n_rows} observations with {outcomes.shape[1]} actions do not fit into a memory of {capacity} with "
                f"{n_actions}"
            )
        self._outcomes[:] = UNKNOWN
        self._outcomes[:n_rows] = outcomes
        self._observations = {}
        for name, rows in state["observations"].items():
            self._observations[name] = np.zeros((capacity, *rows.shape[1:]), dtype=rows.dtype)
            self._observations[name][:n_rows] = rows
        known = [rows[:n_rows] for rows in self._observations.values()]
        self._ring.restore(keys_of(known) if known else [], int(state["next_row"]))
        self._rng.bit_generator.state = state["generator"]
