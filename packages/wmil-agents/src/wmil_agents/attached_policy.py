"""An actor-critic policy with heads for auxiliary losses, which ride on the algorithm's own backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import Tensor, nn

from wmil_agents.auxiliary_loss import AuxiliaryLoss, Transitions
from wmil_agents.buffers.next_observation_buffer import Minibatch
from wmil_agents.losses.carry_loss import carry_loss
from wmil_agents.policies.transformer_policy import TransformerPolicy


class AttachedPolicy(ActorCriticPolicy):
    """Mixin for an actor-critic policy: `evaluate_actions` gives values that carry the weighted auxiliary losses.

    The losses are computed only for the very tensor of observations that the rollout buffer yielded last, so that
    whoever else calls `evaluate_actions` gets what the plain policy gives.

    Args:
        *args: Those of the policy.
        auxiliary_losses: What `attach` was given.
        **kwargs: Those of the policy.
    """

    auxiliary_losses: tuple[AuxiliaryLoss, ...]
    auxiliary_heads: nn.ModuleDict
    """The heads, by the names of their losses."""
    minibatch: Minibatch

    def __init__(self, *args: Any, auxiliary_losses: Sequence[AuxiliaryLoss] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_losses(auxiliary_losses)

    def add_losses(self, losses: Sequence[AuxiliaryLoss]) -> None:
        """Builds the heads, without touching the random generator that training draws from, and optimises them too."""
        _check(losses, self)
        with torch.random.fork_rng(devices=[]):
            spaces_and_size = self.observation_space, self.action_space, self.features_dim
            heads = nn.ModuleDict({loss.name: loss.build(*spaces_and_size) for loss in losses}).to(self.device)
        if isinstance(self, TransformerPolicy):
            self.check_budget(sum(parameter.numel() for parameter in heads.parameters()))
        self.auxiliary_losses = tuple(losses)
        self.auxiliary_heads = heads
        self.optimizer.param_groups[0]["params"].extend(self.auxiliary_heads.parameters())
        self.minibatch = Minibatch()
        self._captured: Tensor | None = None
        self._is_capturing = False
        self.start_update(1.0)

    def start_update(self, progress_remaining: float) -> None:
        """Fixes the scales for the update that follows, and forgets the metrics of the last one."""
        self._scales = {loss.name: loss.scale_at(progress_remaining) for loss in self.auxiliary_losses}
        self._metrics: dict[str, list[Tensor]] = {}

    def update_metrics(self) -> dict[str, float]:
        """Means over the minibatches since `start_update`: `<name>_loss`, unweighted, and the loss's own metrics."""
        return {name: float(torch.stack(numbers).mean()) for name, numbers in self._metrics.items()}

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """The plain policy's values, log-probabilities and entropy; the values carry the losses."""
        following = self.minibatch.next_observations
        active = [loss for loss in self.auxiliary_losses if self._scales[loss.name] != 0.0]
        is_minibatch = following is not None and self.minibatch.observations is obs
        if not (active and is_minibatch and torch.is_grad_enabled()):
            return super().evaluate_actions(obs, actions)
        self._is_capturing = True
        try:
            values, log_prob, entropy = super().evaluate_actions(obs, actions)
            features = self._captured
        finally:
            self._is_capturing, self._captured = False, None
        assert features is not None
        assert following is not None
        transitions = Transitions(obs, actions, following)
        for loss in active:
            amount, metrics = loss.loss(self.auxiliary_heads[loss.name], features, transitions)
            values = carry_loss(values, self._scales[loss.name] * amount)
            for name, number in {"loss": amount, **metrics}.items():
                self._metrics.setdefault(f"{loss.name}_{name}", []).append(number.detach())
        return values, log_prob, entropy

    def extract_features(self, obs: PyTorchObs, *args: Any, **kwargs: Any) -> Any:
        """The plain policy's features; those of the actor are kept while the losses are computed."""
        features = super().extract_features(obs, *args, **kwargs)
        if self._is_capturing:
            self._captured = features[0] if isinstance(features, tuple) else features
        return features

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"auxiliary_losses": self.auxiliary_losses}


def _check(losses: Sequence[AuxiliaryLoss], policy: ActorCriticPolicy) -> None:
    names = [loss.name for loss in losses]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two auxiliary losses are named {name!r}: give each its own name")
        if not name.isidentifier() or hasattr(nn.ModuleDict, name):
            raise ValueError(f"{name!r} cannot name an auxiliary loss: use a word like 'world_model'")
    if not any(parameter.requires_grad for parameter in policy.features_extractor.parameters()):
        raise ValueError(
            f"{type(policy.features_extractor).__name__} has nothing to learn, so no auxiliary loss would reach the "
            "policy: use TransformerPolicy, or a features extractor with parameters"
        )
