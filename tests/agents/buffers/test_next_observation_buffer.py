from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

MakeEnv = Callable[..., BatchVecEnv]
SMALL: dict[str, Any] = {"policy_kwargs": {"features_extractor_kwargs": {"width": 16}}, "device": "cpu"}


def reinforce(make_env: MakeEnv, seed: int, **kwargs: Any) -> REINFORCE:
    return REINFORCE("TransformerPolicy", make_env(**kwargs.pop("env", {})), seed=seed, **SMALL, **kwargs)


def with_losses(make_env: MakeEnv, seed: int) -> REINFORCE:
    losses = [WorldModelLoss(n_replayed=4), ContrastiveLoss()]
    return attach(reinforce(make_env, seed, env={"horizon": 3, "dynamics": "fresh"}), losses)


def ppo_with_losses(make_env: MakeEnv, seed: int) -> PPO:
    env = make_env(horizon=3)
    model = PPO(TransformerPolicy, env, n_steps=6, batch_size=24, n_epochs=2, seed=seed, **SMALL)
    return attach(model, [WorldModelLoss(n_replayed=4), ContrastiveLoss()])


MAKERS: dict[str, Callable[[MakeEnv, int], OnPolicyAlgorithm]] = {
    "running mean": lambda make_env, seed: reinforce(make_env, seed, learning_rate=0.1),
    "events": lambda make_env, seed: reinforce(make_env, seed, event_replay={"n_replayed": 3}),
    "memory and futures": with_losses,
    "PPO's": ppo_with_losses,
}


def carried_over(model: Any, other: Any, with_buffer: bool) -> None:
    """All that a rollout begins with, from one model to another one."""
    other.policy.load_state_dict(model.policy.state_dict())
    other.policy.optimizer.load_state_dict(copy.deepcopy(model.policy.optimizer.state_dict()))  # else they share it
    other.env.load_state_dict(model.env.state_dict())
    other._last_obs, other._last_episode_starts = model._last_obs, model._last_episode_starts
    other.num_timesteps = model.num_timesteps
    if with_buffer:
        other.rollout_buffer.load_state_dict(model.rollout_buffer.state_dict())


def weights_after(model: Any) -> torch.Tensor:
    """After a few updates more, from generators at a fixed state."""
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002  # PPO shuffles by the global generator
    model.learn(96, reset_num_timesteps=False)
    return torch.cat([parameter.detach().flatten() for parameter in model.policy.parameters()])


@pytest.mark.parametrize("name", MAKERS)
def test_training_continues_to_the_same_bits_from_a_buffers_state_and_not_without_it(
    name: str, make_env: MakeEnv
) -> None:
    model, other, without = (MAKERS[name](make_env, seed) for seed in (0, 1, 2))
    for each, n_steps in ((model, 96), (other, 48), (without, 48)):
        each.learn(n_steps)
    carried_over(model, other, with_buffer=True)
    carried_over(model, without, with_buffer=False)
    expected = weights_after(model)
    assert torch.equal(weights_after(other), expected)
    assert not torch.equal(weights_after(without), expected)


@pytest.mark.parametrize("name", MAKERS)
def test_but_for_arrays_a_state_is_json(name: str, make_env: MakeEnv) -> None:
    model: Any = MAKERS[name](make_env, 0).learn(48)
    json.dumps(model.rollout_buffer.state_dict(), default=np.ndarray.tolist)
