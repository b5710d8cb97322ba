"""The baselines that can take the learner's place in a run, and what a run is told besides rewards."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

_LEARNS_BESIDES = ("ent_coef", "event_replay", "all_actions")
"""Arguments of algorithms that give the policy a gradient without the rewards of its rollout."""


class WithheldRewards(VecEnvWrapper):
    """Gives every environment, at each step, a reward of 0."""

    def reset(self) -> VecEnvObs:
        """The wrapped environments' first observations."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """The wrapped environments' step, without its rewards."""
        obs, rewards, dones, infos = self.venv.step_wait()
        return obs, np.zeros_like(rewards), dones, infos

    def own_state_dict(self) -> dict[str, Any]:
        """Nothing of its own."""
        return {}

    def load_own_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


def silence_critic(policy: ActorCriticPolicy) -> None:
    """Holds the values at 0, for good: of rewards that are all 0 the advantages are then 0, too, in any algorithm."""
    with torch.no_grad():
        for parameter in policy.value_net.parameters():
            parameter.zero_()
            parameter.requires_grad_(False)


def taught_alone(arguments: dict[str, Any]) -> dict[str, Any]:
    """An algorithm's arguments without those by which a policy learns although rewards are withheld."""
    return {name: value for name, value in arguments.items() if name not in _LEARNS_BESIDES} | {"ent_coef": 0.0}
