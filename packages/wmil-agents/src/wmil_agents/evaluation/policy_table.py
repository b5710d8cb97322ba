"""A policy's action probabilities for a batch of observations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from torch import nn

Model = BaseAlgorithm | BasePolicy


def policy_table(model: Model, observations: Any) -> npt.NDArray[np.float64]:
    """Action probabilities (n, n_actions) for observations as the environment gives them, in one forward pass.

    It draws no random number and changes nothing, so it can be asked after every update.

    Args:
        model: an algorithm or its policy.
        observations: (n, ...) rows, or a dict of such arrays.

    Raises:
        TypeError: the policy has no probabilities of discrete actions that depend on the observation alone.
    """
    policy = actor_critic(model)
    with torch.no_grad(), evaluating(policy):
        distribution = policy.get_distribution(policy.obs_to_tensor(observations)[0])
    if not isinstance(distribution, CategoricalDistribution):
        raise TypeError(f"{type(policy).__name__} has no table of probabilities: its actions are not discrete")
    probabilities: npt.NDArray[np.float64] = distribution.distribution.probs.double().cpu().numpy()
    return probabilities


def actor_critic(model: Model) -> ActorCriticPolicy:
    """The model's policy, where its distribution over actions can be asked for.

    Raises:
        TypeError: it cannot.
    """
    policy = model.policy if isinstance(model, BaseAlgorithm) else model
    if not isinstance(policy, ActorCriticPolicy) or hasattr(policy, "lstm_actor"):
        raise TypeError(f"{type(policy).__name__} does not say how likely each action is, given an observation alone")
    return policy


class evaluating:
    """A block in which a module is in evaluation mode; afterwards it is as it was."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __enter__(self) -> None:
        self.was_training = self.module.training
        if self.was_training:
            self.module.train(False)

    def __exit__(self, *exception: object) -> None:
        if self.was_training:
            self.module.train(True)


def as_tensors(observations: Any, device: torch.device) -> Any:
    """A batch of observations as tensors, dicts entry by entry."""
    if isinstance(observations, dict):
        return {name: torch.as_tensor(rows, device=device) for name, rows in observations.items()}
    return torch.as_tensor(np.ascontiguousarray(observations), device=device)
