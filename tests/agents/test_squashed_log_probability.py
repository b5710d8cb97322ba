"""The log-probability that SAC learns with, held to the density of its squashed actions, computed by numbers alone."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import SAC
from torch import Tensor

from small_envs import Walk
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.surgeons import SACSurgeon, SurgeryEnv, patient_of
from wmil_envs.world import World

HALF_WIDTH = 1e-4
"""Of the interval whose probability, over its length, is the density."""


def attached_sac() -> Any:
    policy = {"features_extractor_class": TransformerExtractor, "features_extractor_kwargs": {"width": 16}}
    arguments = {"learning_starts": 16, "train_freq": 8, "batch_size": 64, "buffer_size": 100, "policy_kwargs": policy}
    return attach(SAC("MlpPolicy", Walk(longest=2.0), seed=0, device="cpu", **arguments), [WorldModelLoss()])


def surgeons_sac() -> Any:
    world = gym.make("wmil_envs:WMIL/SequenceNext-v0", level=4).unwrapped.world
    assert isinstance(world, World)
    size = {"width": 16, "n_layers": 1, "n_heads": 2}
    torch.manual_seed(0)
    policy = TransformerPolicy(
        world.observation.space(), gym.spaces.Discrete(world.n_actions), lambda _: 1e-3, features_extractor_kwargs=size
    )
    tiny = {"policy_kwargs": {"net_arch": [8]}, "batch_size": 64, "learning_starts": 16, "train_freq": 8}
    return SACSurgeon(SurgeryEnv(patient_of(policy, world)), **tiny).model


MODELS = pytest.mark.parametrize("make_model", [attached_sac, surgeons_sac])


def log_density(actions: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Of each row of independent squashed actions: log of the probability of an interval around it, over its length.

    An action of at most a is a Gaussian number of at most artanh(a); Gaussian probabilities are those of the error
    function. There is no formula for the change of variables in it.
    """
    actions, mean, std = actions.double(), mean.double(), log_std.double().exp()

    def at_most(bound: Tensor) -> Tensor:
        return 0.5 * (1 + torch.erf((torch.atanh(bound) - mean) / (std * sqrt(2))))

    shares = at_most(actions + HALF_WIDTH) - at_most(actions - HALF_WIDTH)
    return (shares / (2 * HALF_WIDTH)).log().sum(1)


def plain_gaussian(actions: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """What the log-probability is without the term of the squashing."""
    deviations = (torch.atanh(actions.double()) - mean.double()) / log_std.double().exp()
    return (-0.5 * deviations.square() - log_std.double() - 0.5 * np.log(2 * pi)).sum(1)


@MODELS
def test_the_log_probability_in_an_update_is_that_of_the_squashed_actions(make_model: Any) -> None:
    model = make_model()
    actor, seen = model.actor, []
    plain = actor.action_log_prob

    def watched(obs: Any) -> Any:
        actions, log_prob = plain(obs)
        with torch.no_grad():
            seen.append((actions.detach(), log_prob.detach(), *actor.get_action_dist_params(obs)[:2]))
        return actions, log_prob

    actor.action_log_prob = watched
    model.learn(48, log_interval=1000)
    n_compared = 0
    for actions, log_prob, mean, log_std in seen:
        inner = (actions.abs() < 0.99).all(1)  # beyond it, SB3's guard against log 0 is felt
        given = [part[inner] for part in (actions, mean, log_std)]
        torch.testing.assert_close(log_prob[inner].double(), log_density(*given), atol=2e-3, rtol=1e-3)
        assert ((log_prob[inner] - plain_gaussian(*given)) >= 0).all(), "squashing makes actions denser"
        assert (log_prob[inner] - plain_gaussian(*given)).mean() > 0.2, "the term would be missed"
        n_compared += int(inner.sum())
    assert len(seen) >= 8
    assert n_compared > 200


@pytest.mark.parametrize("log_std", [-2.0, -0.5, 0.3])
@pytest.mark.parametrize("mean", [0.0, -0.8])
def test_the_probabilities_of_all_actions_sum_to_one(mean: float, log_std: float) -> None:
    actor = attached_sac().actor
    actions = torch.tanh(torch.linspace(-7, 7, 20_001, dtype=torch.float64)).float().unique()[:, None]
    given = torch.full_like(actions, mean), torch.full_like(actions, log_std)
    log_prob = actor.action_dist.proba_distribution(*given).log_prob(actions)
    assert float(torch.trapezoid(log_prob.double().exp(), actions[:, 0].double())) == pytest.approx(1, abs=2e-3)
    inner = actions[:, 0].abs() < 0.99
    expected = log_density(*(part[inner] for part in (actions, *given))).exp()
    torch.testing.assert_close(log_prob[inner].double().exp(), expected, atol=1e-3, rtol=2e-3)
