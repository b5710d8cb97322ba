"""An actor-critic policy that learns from remembered events beside each minibatch."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs
from stable_baselines3.common.utils import obs_as_tensor
from torch import Tensor

from wmil_agents.buffers.event_memory import EventMemory
from wmil_agents.losses.carry_loss import carry_loss
from wmil_agents.losses.possible_actions import possible_actions_loss


class EventReplayPolicy(ActorCriticPolicy):
    """Mixin for an actor-critic policy with discrete actions: its values carry the loss on remembered events.

    The events go through the features extractor in one pass with the minibatch, so that they cost rows and no calls.
    """

    events: EventMemory | None = None
    """What to learn from; nothing if None."""
    _replayed: PyTorchObs | None = None
    _replayed_features: Any = None

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """The plain policy's values, log-probabilities and entropy; the values carry the loss while gradients flow."""
        drawn = None if self.events is None or not torch.is_grad_enabled() else self.events.sample()
        if self.events is None or drawn is None:
            return super().evaluate_actions(obs, actions)
        self._replayed = obs_as_tensor(drawn[0], self.device)
        try:
            values, log_prob, entropy = super().evaluate_actions(obs, actions)
            features = self._replayed_features
        finally:
            self._replayed = self._replayed_features = None
        distribution = self._get_action_dist_from_latent(self.mlp_extractor.forward_actor(features))
        assert isinstance(distribution, CategoricalDistribution)
        possible = torch.as_tensor(drawn[1], device=self.device)
        loss = possible_actions_loss(distribution.distribution.logits, possible)  # torch normalises the logits
        return carry_loss(values, self.events.settings.weight * loss), log_prob, entropy

    @property
    def adds_rows(self) -> bool:
        """While events are replayed."""
        return self._replayed is not None or getattr(super(), "adds_rows", False)

    def extract_features(self, obs: PyTorchObs, *args: Any, **kwargs: Any) -> Any:
        """The plain policy's features; while events are replayed, theirs are computed along and kept."""
        if self._replayed is None:
            return super().extract_features(obs, *args, **kwargs)
        n_rows = _n_rows(obs)
        features = super().extract_features(_stacked(obs, self._replayed), *args, **kwargs)
        if isinstance(features, tuple):  # the actor's and the critic's
            self._replayed_features = features[0][n_rows:]
            return tuple(part[:n_rows] for part in features)
        self._replayed_features = features[n_rows:]
        return features[:n_rows]


def _n_rows(obs: PyTorchObs) -> int:
    return len(next(iter(obs.values())) if isinstance(obs, dict) else obs)


def _stacked(first: PyTorchObs, second: Any) -> PyTorchObs:
    """The rows of two batches of observations, one batch after the other."""
    if isinstance(first, dict):
        return {name: torch.cat([rows, second[name]]) for name, rows in first.items()}
    return torch.cat([first, second])
