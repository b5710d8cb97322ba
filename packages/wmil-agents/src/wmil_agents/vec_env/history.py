"""A wrapper that gives a learner what happened lately instead of what is seen now."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from wmil_agents.vec_env.history_space import HistorySpace
from wmil_agents.vec_env.next_observation_recorder import NextObservationRecorder

Rows = dict[str, NDArray[Any]]


class HistoryVecEnv(VecEnvWrapper):
    """Observations become the last `length` (observation, previous action) pairs of the episode, a `HistorySpace`.

    A new episode begins with its first observation alone: nothing of the one before is left. Where an episode ends,
    `terminal_observation` in its info is the whole history up to and including its last observation.

    Wrap it around `VecNormalize`, not into it. Off-policy algorithms do without `VecNormalize` here: they would take
    their observations from it, past the history.

    Args:
        venv: what to wrap; its observations and actions may be Box, Discrete, MultiDiscrete or MultiBinary.
        length: how many pairs, at least 2.

    Example:
        >>> from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env
        >>> env = HistoryVecEnv(make_batch_vec_env("CartPole-v1", 2), length=3)
        >>> history = env.reset()
        >>> history["observation"].shape, history["observation_mask"].tolist()
        ((2, 3, 4), [[0, 0, 1], [0, 0, 1]])
    """

    def __init__(self, venv: VecEnv, length: int = 16) -> None:
        space = HistorySpace(venv.observation_space, venv.action_space, length)
        self._recorder = NextObservationRecorder(venv)
        super().__init__(self._recorder, space)
        self._history = self._nothing()

    def reset(self) -> Rows:
        """Histories of one observation each."""
        self._history = self._begun(self.venv.reset())
        return _copied(self._history)

    def step_async(self, actions: NDArray[Any]) -> None:
        """As ever."""
        self._actions = np.array(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """The wrapped environment's step, with the histories it led to."""
        obs, rewards, dones, infos = self.venv.step_wait()
        history = self._continued(self._recorder.next_observations)
        ended = np.flatnonzero(dones)
        if len(ended):
            begun = self._begun(obs)
            for index in ended.tolist():
                infos[index]["terminal_observation"] = {name: rows[index].copy() for name, rows in history.items()}
            for name, rows in history.items():
                rows[ended] = begun[name][ended]
        self._history = history
        return _copied(history), rewards, dones, infos

    def state_dict(self) -> dict[str, Any]:
        """Everything the next step depends on, as arrays and JSON.

        Raises:
            TypeError: what is wrapped does not tell its own.
        """
        return {**self.own_state_dict(), "env": self._recorder.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what `state_dict` returned, without a reset."""
        self.load_own_state_dict(state)
        self._recorder.load_state_dict(state["env"])

    def own_state_dict(self) -> dict[str, Any]:
        """The part of `state_dict` that is kept here, not in what is wrapped."""
        return {"history": _copied(self._history)}

    def load_own_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `own_state_dict` returned."""
        history = {name: np.array(rows, dtype=self._history[name].dtype) for name, rows in state["history"].items()}
        for name, rows in self._history.items():
            if history[name].shape != rows.shape:
                raise ValueError(f"the state's {name} has the shape {history[name].shape}, not {rows.shape} as here")
        self._history = history

    def _nothing(self) -> Rows:
        """Histories without anything in them."""
        assert isinstance(self.observation_space, HistorySpace)
        spaces = self.observation_space.spaces.items()
        return {name: np.zeros((self.num_envs, *(space.shape or ())), space.dtype) for name, space in spaces}

    def _begun(self, obs: Any) -> Rows:
        """Histories of nothing but these observations."""
        history = self._nothing()
        history["observation"][:, -1] = obs.reshape(self.num_envs, -1)
        history["observation_mask"][:, -1] = 1
        return history

    def _continued(self, obs: Any) -> Rows:
        """The histories with the step just taken as their newest row, in fresh memory."""
        newest = {"observation": obs, "observation_mask": 1, "action": self._actions, "action_mask": 1}
        history = self._nothing()
        for name, rows in history.items():
            rows[:, :-1] = self._history[name][:, 1:]
            rows[:, -1] = newest[name] if name.endswith("_mask") else newest[name].reshape(self.num_envs, -1)
        return history


def _copied(history: Rows) -> Rows:
    return {name: rows.copy() for name, rows in history.items()}
