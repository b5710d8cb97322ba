"""What can be cut out of a run, so that it can be seen which criterion fails without it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn


class ShuffledRewards(VecEnvWrapper):
    """Gives every environment, at each step, the reward that another one earned.

    The rewards keep their distribution and lose what they say about the action. A random rotation of at least one place
    is used: a plain permutation would leave each environment its own reward once in `num_envs` times.
    """

    def __init__(self, venv: VecEnv, seed: int) -> None:
        super().__init__(venv)
        if venv.num_envs < 2:
            raise ValueError("rewards can be shuffled only among several environments: n_envs must be at least 2")
        self._rng = np.random.default_rng(seed)

    def reset(self) -> VecEnvObs:
        """The wrapped environments' first observations."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """The wrapped environments' step, the rewards rotated."""
        obs, rewards, dones, infos = self.venv.step_wait()
        return obs, np.roll(rewards, self._rng.integers(1, self.num_envs)), dones, infos

    def own_state_dict(self) -> dict[str, Any]:
        """The generator's state."""
        return {"generator": self._rng.bit_generator.state}

    def load_own_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `own_state_dict` returned."""
        self._rng.bit_generator.state = state["generator"]


def make_uniform(policy: ActorCriticPolicy) -> None:
    """Turns a policy into the uniform one, for good: the action head is 0 and no longer learns; all else still does."""
    with torch.no_grad():
        for parameter in policy.action_net.parameters():
            parameter.zero_()
            parameter.requires_grad_(False)
