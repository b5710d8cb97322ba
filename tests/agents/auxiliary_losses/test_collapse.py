"""Whether `spread` tells a collapse of the features that `LatentWorldModelLoss` foresees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import pytest
import torch
from stable_baselines3 import PPO

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

SIZE = {"features_extractor_kwargs": {"width": 16}}
NAME = "latent_world_model"
N_STEPS = 64
COLLAPSED = 0.03
"""Below it the directions of features differ by some ten degrees."""


def attached(loss: LatentWorldModelLoss, **kwargs: Any) -> Any:
    env = BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=8))
    settings = {"n_steps": 8, "batch_size": 64, "n_epochs": 4, "learning_rate": 2e-3, "policy_kwargs": SIZE} | kwargs
    return attach(PPO(TransformerPolicy, env, seed=0, device="cpu", **settings), [loss])


def spreads(model: Any, n_updates: int) -> list[float]:
    """What is logged after each update."""
    found = []
    for _ in range(n_updates):
        model.learn(N_STEPS, reset_num_timesteps=False)
        found.append(model.logger.name_to_value[f"train/{NAME}_spread"])
    return found


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_in_ordinary_training_features_keep_apart(momentum: float) -> None:
    assert min(spreads(attached(LatentWorldModelLoss(momentum=momentum)), 8)) > COLLAPSED * 5


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_features_that_are_the_same_everywhere_are_told(momentum: float) -> None:
    model = attached(LatentWorldModelLoss(momentum=momentum), learning_rate=0.0)
    policy = model.policy
    with torch.no_grad():
        for extractor in (policy.features_extractor, *policy.auxiliary_targets.values()):
            extractor.transformer.norm.weight.zero_()
            extractor.transformer.norm.bias.uniform_(-1, 1)
    assert spreads(model, 1)[0] == pytest.approx(0.0, abs=1e-4)


def test_without_the_stopped_gradient_features_collapse_and_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = LatentWorldModelLoss.loss

    def into_the_target(self: Any, head: Any, features: Any, transitions: Any) -> Any:
        targets = model.policy.features_extractor(transitions.next_observations)
        return plain(self, head, features, replace(transitions, next_features=targets))

    model = attached(LatentWorldModelLoss(scale=10.0, momentum=0.0), learning_rate=4e-3)
    monkeypatch.setattr(LatentWorldModelLoss, "loss", into_the_target)
    found = spreads(model, 7)
    assert found[0] > COLLAPSED * 5
    assert found[-1] < COLLAPSED
