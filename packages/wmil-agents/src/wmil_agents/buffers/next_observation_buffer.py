"""Rollout buffers that also keep the true next observation of every step."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from torch import Tensor

from wmil_agents.buffers.transition_memory import Arrays, TransitionMemory
from wmil_agents.losses.truncated_geometric import truncated_geometric
from wmil_agents.vec_env.next_observation_recorder import NextObservationRecorder


@dataclass(frozen=True)
class FutureDraw:
    """Which later observations to draw with each minibatch."""

    n: int
    """At most so many rows get one, drawn from those that have a later step in the rollout."""
    discount: float
    """How much rarer each further step ahead is, in (0, 1)."""


@dataclass(frozen=True)
class DrawnFutures:
    """What was drawn for K rows of a minibatch."""

    rows: Tensor
    offsets: Tensor
    observations: Tensor | dict[str, Tensor]


@dataclass
class Minibatch:
    """The minibatch that a buffer yielded last: what a policy reads besides what the algorithm hands it."""

    observations: Tensor | dict[str, Tensor] | None = None
    actions: Tensor | None = None
    """Only where a policy needs them to know the minibatch."""
    next_observations: Tensor | dict[str, Tensor] | None = None
    real: Tensor | None = None
    """Which rows of `observations` are steps; the others fill up sequences and have no `next_observations`."""
    action_scores: Tensor | None = None
    """The parent's scores of every action, where the recorder asks for them."""
    memory: TransitionMemory | None = None
    """What was seen before, where somebody wants to learn from it again."""
    wanted_futures: Mapping[str, FutureDraw] = field(default_factory=dict)
    """What to draw besides, under a name of whoever wants it."""
    futures: dict[str, DrawnFutures] = field(default_factory=dict)
    """What was drawn."""
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    """Draws it."""


class NextObservations(RolloutBuffer):
    """Mixin for a rollout buffer: `add` takes the next observations from a recorder, minibatches carry theirs along.

    Steps that nobody judged are in no minibatch, and for the steps before them the episode was cut off there: their
    returns end with the value of the state in which that answer was given.
    """

    recorder: NextObservationRecorder | None = None
    minibatch: Minibatch | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the recorder, which holds the environment: the next rollout makes another one."""
        return self.__dict__ | {"recorder": None}

    def reset(self) -> None:
        """Empties the buffer."""
        super().reset()
        observations: Arrays = self.observations
        self.next_observations: Arrays = (
            {name: np.zeros_like(rows) for name, rows in observations.items()}
            if isinstance(observations, dict)
            else np.zeros_like(observations)
        )
        self.action_scores: NDArray[np.float32] | None = None
        self.unjudged: NDArray[np.bool_] | None = None
        """(T, n_envs) which steps nobody judged; None for none."""
        self._is_flat = False

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Stores a step, and where the recorder says it led."""
        if self.recorder is None or self.recorder.next_observations is None:
            raise RuntimeError(
                "this model has auxiliary losses but nothing that records true next observations: "
                "call attach(model) again after load"
            )
        step = self.pos
        super().add(*args, **kwargs)
        recorded = self.recorder.next_observations
        if isinstance(self.next_observations, dict):
            assert isinstance(recorded, dict)
            for name, rows in self.next_observations.items():
                rows[step] = recorded[name].reshape(rows[step].shape)
        else:
            assert isinstance(recorded, np.ndarray)
            self.next_observations[step] = recorded.reshape(self.next_observations[step].shape)
        scores = self.recorder.action_scores
        if scores is not None:
            if self.action_scores is None:
                self.action_scores = np.zeros((self.buffer_size, *scores.shape), dtype=np.float32)
            self.action_scores[step] = scores
        unjudged = self.recorder.unjudged
        if unjudged is not None:
            if self.unjudged is None:
                self.unjudged = np.zeros((self.buffer_size, self.n_envs), dtype=np.bool_)
            self.unjudged[step] = unjudged

    def compute_returns_and_advantage(self, *args: Any, **kwargs: Any) -> None:
        """As ever, with nothing gained or lost by an answer that nobody judged; the rollout is remembered."""
        if self.unjudged is not None:
            self.rewards[self.unjudged] = self.values[self.unjudged]
        super().compute_returns_and_advantage(*args, **kwargs)
        memory = None if self.minibatch is None else self.minibatch.memory
        if memory is not None and (self.unjudged is None or not self.unjudged.all()):
            judged = np.ones((self.buffer_size, self.n_envs), np.bool_) if self.unjudged is None else ~self.unjudged
            parts = self.observations, self.actions, self.next_observations
            memory.add(*(_map(lambda rows: rows[judged], part) for part in parts))

    def get(self, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        """As ever, but for minibatches of which nothing is left."""
        for samples in super().get(*args, **kwargs):
            if len(samples.actions):
                yield samples

    def state_dict(self) -> dict[str, Any]:
        """What outlives a rollout: memory, generator, and what the buffer that this extends says does."""
        inherited: dict[str, Any] = getattr(super(), "state_dict", dict)()
        if self.minibatch is None:
            return inherited
        memory = {} if self.minibatch.memory is None else {"memory": self.minibatch.memory.state_dict()}
        return inherited | {"generator": self.minibatch.rng.bit_generator.state} | memory

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        getattr(super(), "load_state_dict", dict)(state)
        if self.minibatch is not None:
            self.minibatch.rng.bit_generator.state = state["generator"]
            if self.minibatch.memory is not None:
                self.minibatch.memory.load_state_dict(state["memory"])

    def _get_samples(self, batch_inds: NDArray[np.intp], *args: Any, **kwargs: Any) -> Any:
        if not self._is_flat:
            self.next_observations = _map(self.swap_and_flatten, self.next_observations)
            self._n_later = self._steps_left()
            if self.action_scores is not None:
                self.action_scores = self.swap_and_flatten(self.action_scores)
            self._judged = None if self.unjudged is None else ~self.swap_and_flatten(self.unjudged).ravel()
            self._is_flat = True
        if self._judged is not None:
            batch_inds = batch_inds[self._judged[batch_inds]]
        samples = super()._get_samples(batch_inds, *args, **kwargs)
        minibatch = self.minibatch
        if minibatch is not None:
            minibatch.observations = samples.observations
            mask = getattr(samples, "mask", None)  # sb3-contrib's recurrent buffers have one
            minibatch.real = None if mask is None else mask > 0.5
            minibatch.next_observations = _map(lambda rows: self.to_torch(rows[batch_inds]), self.next_observations)
            scores = self.action_scores
            minibatch.action_scores = None if scores is None else self.to_torch(scores[batch_inds])
            minibatch.futures = {
                name: self._draw_futures(wanted, batch_inds, minibatch.rng)
                for name, wanted in minibatch.wanted_futures.items()
            }
        return samples

    def _draw_futures(self, wanted: FutureDraw, batch_inds: NDArray[np.intp], rng: np.random.Generator) -> DrawnFutures:
        """A later observation for rows that have one; the rollout's rows lie environment by environment."""
        limits = self._n_later[batch_inds]
        candidates = np.flatnonzero(limits)
        if len(candidates) > wanted.n:
            candidates = np.sort(rng.choice(candidates, wanted.n, replace=False))
        offsets = truncated_geometric(limits[candidates], wanted.discount, rng)
        later = batch_inds[candidates] + offsets
        observations = _map(lambda rows: self.to_torch(rows[later]), self.observations)
        return DrawnFutures(self.to_torch(candidates), self.to_torch(offsets), observations)

    def _steps_left(self) -> NDArray[np.int64]:
        """How many later steps of its episode are in the rollout, for each row, environment by environment."""
        starts = self.swap_and_flatten(self.episode_starts) if len(self.episode_starts) == self.buffer_size else None
        by_env = (self.episode_starts if starts is None else starts).reshape(self.n_envs, self.buffer_size)
        left = np.zeros(by_env.shape, dtype=np.int64)
        for step in reversed(range(self.buffer_size - 1)):
            left[:, step] = np.where(by_env[:, step + 1] != 0, 0, left[:, step + 1] + 1)
        return left.reshape(-1)


def _map(function: Any, arrays: Arrays) -> Any:
    """The function of an array, or of each entry of a dict."""
    if isinstance(arrays, dict):
        return {name: function(rows) for name, rows in arrays.items()}
    return function(arrays)
