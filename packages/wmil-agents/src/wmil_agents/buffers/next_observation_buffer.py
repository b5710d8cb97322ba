"""Rollout buffers that also keep the true next observation of every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from wmil_agents.buffers.transition_memory import Arrays, TransitionMemory
from wmil_agents.vec_env.next_observation_recorder import NextObservationRecorder


@dataclass
class Minibatch:
    """The minibatch that a buffer yielded last: what a policy reads besides what the algorithm hands it."""

    observations: Tensor | dict[str, Tensor] | None = None
    next_observations: Tensor | dict[str, Tensor] | None = None
    memory: TransitionMemory | None = None
    """What was seen before, where somebody wants to learn from it again."""


class NextObservations(RolloutBuffer):
    """Mixin for a rollout buffer: `add` takes the next observations from a recorder, minibatches carry theirs along."""

    recorder: NextObservationRecorder | None = None
    minibatch: Minibatch | None = None

    def reset(self) -> None:
        """Empties the buffer."""
        super().reset()
        observations: Arrays = self.observations
        self.next_observations: Arrays = (
            {name: np.zeros_like(rows) for name, rows in observations.items()}
            if isinstance(observations, dict)
            else np.zeros_like(observations)
        )
        self._is_flat = False

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Stores a step, and where the recorder says it led."""
        if self.recorder is None or self.recorder.next_observations is None:
            raise RuntimeError(
                "this model has auxiliary losses but nothing that records true next observations: "
                "call attach(model) again after load or set_env"
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
        if self.minibatch is not None and self.minibatch.memory is not None:
            at_step = [_map(lambda rows: rows[step], arrays) for arrays in (self.observations, self.next_observations)]
            self.minibatch.memory.add(at_step[0], self.actions[step], at_step[1])

    def state_dict(self) -> dict[str, Any]:
        """What outlives a rollout: the memory, and what the buffer that this extends says does."""
        inherited: dict[str, Any] = getattr(super(), "state_dict", dict)()
        memory = None if self.minibatch is None else self.minibatch.memory
        return inherited if memory is None else inherited | {"memory": memory.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        getattr(super(), "load_state_dict", dict)(state)
        if self.minibatch is not None and self.minibatch.memory is not None:
            self.minibatch.memory.load_state_dict(state["memory"])

    def _get_samples(self, batch_inds: NDArray[np.intp], env: VecNormalize | None = None) -> Any:
        if not self._is_flat:
            self.next_observations = _map(self.swap_and_flatten, self.next_observations)
            self._is_flat = True
        samples = super()._get_samples(batch_inds, env)
        if self.minibatch is not None:
            self.minibatch.observations = samples.observations
            self.minibatch.next_observations = _map(
                lambda rows: self.to_torch(rows[batch_inds]), self.next_observations
            )
        return samples


def _map(function: Any, arrays: Arrays) -> Any:
    """The function of an array, or of each entry of a dict."""
    if isinstance(arrays, dict):
        return {name: function(rows) for name, rows in arrays.items()}
    return function(arrays)
