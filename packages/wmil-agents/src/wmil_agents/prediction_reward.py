"""The prediction component of the reward: how well the learner's own world model foresaw what happened."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from wmil_agents.attached_policy import AttachedPolicy
from wmil_agents.auxiliary_losses.world_model import WorldModelHead
from wmil_agents.vec_env.next_observation_recorder import NextObservationRecorder
from wmil_envs.reward import WMIL_WEIGHTS, RewardVector

PRED = RewardVector._fields.index("pred")


class PredictionReward(VecEnvWrapper):
    """Adds `weight * exp(-error)` to every reward, the weight once and here only.

    The error of a step is the mean squared error with which the world model attached to `model` predicts the true next
    observation, of a category's probabilities to one-hot, mean over the predicted attributes: 0 for certainty about the
    truth.

    Mind what it pays for: predictable, dull states. A learner that can choose between a rich, noisy place and a dark
    room is paid for the dark room, and from some weight on prefers it to the goal. It is off unless wrapped.

    `env = PredictionReward(env); model = attach(PPO(TransformerPolicy, env), [WorldModelLoss()]); env.watch(model)`.

    Args:
        venv: What to wrap.
        weight: Of the component in the reward.
    """

    def __init__(self, venv: VecEnv, weight: float = WMIL_WEIGHTS.pred) -> None:
        if not np.isfinite(weight):
            raise ValueError(f"weight must be a finite number, not {weight}")
        self._recorder = NextObservationRecorder(venv)
        super().__init__(self._recorder)
        self.weight = weight
        self._policy: AttachedPolicy | None = None
        self._head: WorldModelHead | None = None
        self._obs: VecEnvObs | None = None

    def watch(self, model: OnPolicyAlgorithm) -> None:
        """Reward by this model's world model from now on.

        Raises:
            ValueError: It has none.
        """
        heads = model.policy.auxiliary_heads.values() if isinstance(model.policy, AttachedPolicy) else ()
        self._head = next((head for head in heads if isinstance(head, WorldModelHead)), None)
        if self._head is None:
            raise ValueError("this model has no world model to reward: attach(model, [WorldModelLoss()]) first")
        assert isinstance(model.policy, AttachedPolicy)
        self._policy = model.policy

    def reset(self) -> VecEnvObs:
        """As ever."""
        self._obs = self.venv.reset()
        return self._obs

    def step_async(self, actions: NDArray[Any]) -> None:
        """As ever."""
        self._actions = actions
        super().step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """The wrapped environment's step with the component added; an info's `vector_reward` tells it as `pred`.

        Raises:
            RuntimeError: No model is watched yet.
        """
        obs, rewards, dones, infos = self.venv.step_wait()
        assert self._recorder.next_observations is not None
        pred = self.rewards(self._obs, self._actions, self._recorder.next_observations)
        for info, component in zip(infos, pred, strict=True):
            if "vector_reward" in info:
                info["vector_reward"] = np.array(info["vector_reward"])
                info["vector_reward"][PRED] = component
        self._obs = obs
        return obs, (rewards + self.weight * pred).astype(rewards.dtype), dones, infos

    def state_dict(self) -> dict[str, Any]:
        """The state of what is wrapped, and the observation that the coming step starts from."""
        return {"venv": self._recorder.state_dict(), **self.own_state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`; the model that is watched has a state of its own."""
        self._recorder.load_state_dict(state["venv"])
        self.load_own_state_dict(state)

    def own_state_dict(self) -> dict[str, Any]:
        """The part of `state_dict` that is kept here, not in what is wrapped."""
        return {"obs": deepcopy(self._obs)}

    def load_own_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `own_state_dict` returned."""
        self._obs = deepcopy(state["obs"])

    def rewards(self, obs: Any, actions: NDArray[Any], next_obs: Any) -> NDArray[np.float64]:
        """exp(-error) of each transition, (n_envs,), in (0, 1]."""
        if self._policy is None or self._head is None:
            raise RuntimeError("PredictionReward has no world model yet: call env.watch(model) before learning")
        device = self._policy.device
        with torch.no_grad():
            features = self._policy.extract_features(obs_as_tensor(obs, device))
            features = features[0] if isinstance(features, tuple) else features
            taken, following = torch.as_tensor(actions, device=device), obs_as_tensor(next_obs, device)
            errors = self._head.squared_errors(features, taken, following).mean(1)
        component: NDArray[np.float64] = np.exp(-errors.double().cpu().numpy())
        return component
