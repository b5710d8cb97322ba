"""A surgeon that learns by Soft Actor-Critic, Stable-Baselines3's as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from wmil_agents.checkpoints.generators import set_space_generators, space_generators
from wmil_agents.checkpoints.model_state import load_model_state, model_state
from wmil_agents.surgeons.own_generators import OwnGenerators
from wmil_agents.surgeons.surgeon import Operation, edit_by_edit, surgery_in
from wmil_agents.surgeons.surgery_env import Action, View

SETTINGS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "batch_size": 256,
    "gamma": 0.9,
    "learning_starts": 200,
    "policy_kwargs": {"net_arch": [128, 128]},
}
"""Of SAC, where they are not Stable-Baselines3's own. Its target entropy, minus the number of strengths, is."""


class SACSurgeon:
    """Stock SAC on normalised observations, which it learns from operations.

    It draws from generators of its own, so that a surgeon beside a learner changes nothing of the learner's luck.

    Args:
        env: where it learns; a `SurgeryEnv`, or one in wrappers.
        seed: of SAC, and of the faults that it learns from.
        learns_online: whether it explores and learns in `operate`, too, which then has to be in the same `env`.
            Otherwise it does there what it thinks best.
        **arguments: of SAC, over `SETTINGS`.
    """

    name, learns = "sac", True

    def __init__(self, env: Operation, seed: int = 0, *, learns_online: bool = False, **arguments: Any) -> None:
        self.env, self.learns_online = env, learns_online
        self.n_evaluations = 0
        self._generators = OwnGenerators(seed)
        self._was_elsewhere = False
        """Whether the environment has begun another episode since SAC saw it last."""
        with self._generators:
            self.normaliser = VecNormalize(DummyVecEnv([lambda: env]), norm_reward=False)
            self.model = SAC("MlpPolicy", self.normaliser, seed=seed, device="cpu", **{**SETTINGS, **arguments})

    def train(self, n_edits: int, callback: BaseCallback | None = None) -> None:
        """Learns from so many edits, in episodes that begin with faults that the environment draws.

        Args:
            n_edits: steps in the environment.
            callback: of Stable-Baselines3.
        """
        with self._generators:
            if self._was_elsewhere:
                self.model._last_obs = None  # learn begins with a reset then
                self._was_elsewhere = False
            self.model.learn(n_edits, callback, reset_num_timesteps=False)

    def operate(self, env: Operation, observation: View) -> dict[str, Any]:
        """Carries out one operation."""
        self._was_elsewhere = self._was_elsewhere or env.unwrapped is self.env.unwrapped
        if self.learns_online:
            return self._operate_and_learn(env, observation)
        info, self.n_evaluations = edit_by_edit(env, observation, self._best)
        return info

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimizers, replay, normaliser, generators and the environment with its patient.

        Some of it is the surgeon's own memory: write or copy it before the surgeon goes on.
        """
        return {
            "model": None if self.model._last_obs is None else model_state(self.model),
            "generators": self._generators.state_dict(),
            "spaces": [space_generators(space) for space in (self.model.action_space, self.model.observation_space)],
            "was_elsewhere": self._was_elsewhere,
            "n_evaluations": self.n_evaluations,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from there, in a surgeon that was made with the same arguments."""
        if state["model"] is not None:
            load_model_state(self.model, state["model"])
        self._generators.load_state_dict(state["generators"])
        spaces = (self.model.action_space, self.model.observation_space)
        for space, generators in zip(spaces, state["spaces"], strict=True):
            set_space_generators(space, generators)
        self._was_elsewhere, self.n_evaluations = state["was_elsewhere"], state["n_evaluations"]

    def _best(self, observation: View) -> Action:
        """The mode of its policy."""
        seen = self.normaliser.normalize_obs(observation[None])
        assert isinstance(seen, np.ndarray)
        actions, _ = self.model.predict(seen, deterministic=True)
        return np.asarray(actions[0], dtype=np.float32)

    def _operate_and_learn(self, env: Operation, observation: View) -> dict[str, Any]:
        if env.unwrapped is not self.env.unwrapped:
            raise ValueError("a surgeon that learns online operates in the environment that it was made with")
        rows, end = observation[None], _End()
        self.normaliser.obs_rms.update(rows)
        seen = self.normaliser.normalize_obs(rows)
        with self._generators:
            self.model._last_obs, self.model._last_original_obs = seen, rows
            self.model._last_episode_starts = np.ones(1, dtype=np.bool_)
            self.model.learn(surgery_in(env).n_edits, end, reset_num_timesteps=False)
        self.n_evaluations = surgery_in(env).n_edits
        return end.info


class _End(BaseCallback):
    """Remembers the info of the end of the episode."""

    def __init__(self) -> None:
        super().__init__()
        self.info: dict[str, Any] = {}

    def _on_step(self) -> bool:
        self.info = self.locals["infos"][0]
        return True
