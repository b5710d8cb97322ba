"""A wrapper that keeps what Stable-Baselines3's rollout buffers are not told: the true next observations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from wmil_agents.vec_env.unjudged import unjudged_rows
from wmil_agents.vec_env.vec_env_state import load_vec_env_state, vec_env_state


class NextObservationRecorder(VecEnvWrapper):
    """Keeps, of the last step, the observation each environment went to: where its episode ended, the terminal one.

    A vector environment returns the first observation of the next episode in that place; a model of the world that
    learnt from it would learn how worlds begin, not what an action does.
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self.next_observations: VecEnvObs | None = None
        """The batch of true next observations; None before the first step."""
        self.asks_action_scores = False
        """Whether to ask before each step what the parent says of every action."""
        self.action_scores: NDArray[np.float64] | None = None
        """The answer (n_envs, n_actions)."""
        self.unjudged: NDArray[np.bool_] | None = None
        """(n_envs,) where the last step has no verdict; None for nowhere."""

    def reset(self) -> VecEnvObs:
        """Resets the environments; there is no next observation yet."""
        self.next_observations = None
        return self.venv.reset()

    def step_async(self, actions: NDArray[Any]) -> None:
        """As ever; asks for the scores of all actions first, if that is wanted."""
        if self.asks_action_scores:
            batch_scores = getattr(self.venv, "action_scores", None)  # BatchVecEnv's, however deep it is wrapped
            answer = self.venv.env_method("action_scores") if batch_scores is None else batch_scores()
            self.action_scores = np.asarray(answer, dtype=np.float64)
        super().step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """The wrapped environment's step, unchanged."""
        obs, rewards, dones, infos = self.venv.step_wait()
        self.next_observations, self.unjudged = obs, None
        if dones.any():
            self.unjudged = unjudged_rows(infos)
            self.next_observations = next_observations(self.venv, obs, dones, infos)
        return obs, rewards, dones, infos

    def state_dict(self) -> dict[str, Any]:
        """That of what is wrapped: the next step records anew.

        Raises:
            TypeError: What is wrapped does not tell its own.
        """
        return vec_env_state(self.venv)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what `state_dict` returned, without a reset."""
        load_vec_env_state(self.venv, state)

    def own_state_dict(self) -> dict[str, Any]:
        """Nothing of its own."""
        return {}

    def load_own_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


def next_observations(venv: VecEnv, obs: VecEnvObs, dones: np.ndarray, infos: Any) -> VecEnvObs:
    """The observations that a step of `venv` led to: the terminal one where an episode ended."""
    final = getattr(infos, "final_observations", None) if tells_batches(venv) else None
    return _with_final_dicts(obs, dones, infos) if final is None else _with(obs, dones, final)


def tells_batches(venv: VecEnv) -> bool:
    """Whether no wrapper, such as VecNormalize, rewrites in the infos' dicts what their arrays tell too."""
    while isinstance(venv, VecMonitor | NextObservationRecorder):
        venv = venv.venv
    return not isinstance(venv, VecEnvWrapper)


def _with(obs: VecEnvObs, dones: np.ndarray, final: Any) -> VecEnvObs:
    """The observations, with the rows of a batch of final ones where an episode ended."""
    if isinstance(obs, dict):
        return {name: _with(rows, dones, final[name]) for name, rows in obs.items()}  # type: ignore[misc]  # arrays
    assert isinstance(obs, np.ndarray)
    if dones.all():
        return np.asarray(final)
    obs = obs.copy()
    obs[dones] = final[dones]
    return obs


def _with_final_dicts(obs: VecEnvObs, dones: np.ndarray, infos: Any) -> VecEnvObs:
    """The observations, with `terminal_observation` from the infos where an episode ended."""
    ended = np.flatnonzero(dones)
    for index in ended:
        if "terminal_observation" not in infos[index]:
            raise RuntimeError(
                f"environment {index} ended an episode without a terminal_observation in its info, so the true next "
                "observation is lost: the VecEnv must give one, as Stable-Baselines3's own do"
            )
    if isinstance(obs, dict):
        obs = {name: rows.copy() for name, rows in obs.items()}
        for index in ended:
            for name, rows in obs.items():
                rows[index] = infos[index]["terminal_observation"][name]
        return obs
    assert isinstance(obs, np.ndarray)
    obs = obs.copy()
    for index in ended:
        obs[index] = infos[index]["terminal_observation"]
    return obs
