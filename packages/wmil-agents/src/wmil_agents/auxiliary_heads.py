"""A policy with heads for auxiliary losses: what on-policy and off-policy algorithms have in common."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from wmil_agents.auxiliary_loss import AuxiliaryLoss, Observations, Transitions
from wmil_agents.buffers.next_observation_buffer import Minibatch
from wmil_agents.losses.carry_loss import carry_loss
from wmil_agents.mixin import mixed
from wmil_agents.policies.module_list import set_training
from wmil_agents.policies.transformer_policy import TransformerPolicy


class AuxiliaryHeads(BasePolicy):
    """Mixin for a policy: the heads of its auxiliary losses, their scales at this point of training, their metrics.

    Args:
        *args: Those of the policy.
        auxiliary_losses: What `attach` was given.
        **kwargs: Those of the policy.
    """

    auxiliary_losses: tuple[AuxiliaryLoss, ...]
    auxiliary_heads: nn.ModuleDict
    """The heads, by the names of their losses."""
    auxiliary_targets: nn.ModuleDict
    """Moving averages of the extractor, for the losses that want one."""
    minibatch: Minibatch
    is_connected = False
    """Whether an algorithm tells this policy what its buffer yields; `attach` sees to it."""

    def __init__(self, *args: Any, auxiliary_losses: Sequence[AuxiliaryLoss] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_losses(auxiliary_losses)

    @property
    @abstractmethod
    def learning_extractor(self) -> BaseFeaturesExtractor:
        """The features extractor that learns from the losses."""

    @property
    @abstractmethod
    def learning_optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of that extractor, which optimises the heads too."""

    def add_losses(self, losses: Sequence[AuxiliaryLoss]) -> None:
        """Builds the heads, without touching the random generator that training draws from, and optimises them too."""
        extractor = self.learning_extractor
        if not any(parameter.requires_grad for parameter in extractor.parameters()):
            raise ValueError(
                f"{type(extractor).__name__} has nothing to learn, so no auxiliary loss would reach the policy: use "
                "TransformerPolicy, or a features extractor with parameters"
            )
        with torch.random.fork_rng(devices=[]):
            spaces_and_size = self.observation_space, self.action_space, extractor.features_dim
            heads = nn.ModuleDict({loss.name: loss.build(*spaces_and_size) for loss in losses}).to(self.device)
        if isinstance(self, TransformerPolicy):
            self.check_budget(sum(parameter.numel() for parameter in heads.parameters()))
        self.auxiliary_losses = tuple(losses)
        self.auxiliary_heads = heads
        averages = {loss.name: copy.deepcopy(extractor) for loss in losses if loss.target_momentum}
        self.auxiliary_targets = nn.ModuleDict(averages).requires_grad_(False)
        self.learning_optimizer.param_groups[0]["params"].extend(heads.parameters())
        self.minibatch = Minibatch()
        self.start_update(1.0)

    def set_training_mode(self, mode: bool) -> None:
        """As ever, heads included; the moving averages give targets and are never in training mode."""
        super().set_training_mode(mode)
        set_training(self.auxiliary_heads, mode)
        set_training(self.auxiliary_targets, False)

    def start_update(self, progress_remaining: float) -> None:
        """Fixes the scales for the update that follows, and forgets the metrics of the last one."""
        self._scales = {loss.name: loss.scale_at(progress_remaining) for loss in self.auxiliary_losses}
        self._metrics: dict[str, list[Tensor]] = {}
        self.minibatch.wanted_futures = {loss.name: loss.futures for loss in self.active_losses if loss.futures}

    def update_metrics(self) -> dict[str, float]:
        """Means over the minibatches since `start_update`: `<name>_loss`, unweighted, and the loss's own metrics."""
        return {name: float(torch.stack(numbers).mean()) for name, numbers in self._metrics.items()}

    @property
    def active_losses(self) -> list[AuxiliaryLoss]:
        """The losses whose scale is not 0 in this update."""
        return [loss for loss in self.auxiliary_losses if self._scales[loss.name] != 0.0]

    @property
    def possible_losses(self) -> list[AuxiliaryLoss]:
        """The losses whose scale may be other than 0 in some update."""
        return [loss for loss in self.auxiliary_losses if not loss.is_off]

    def require_connection(self) -> None:
        """Raises a `RuntimeError` where losses should be computed and nobody feeds them."""
        if self.active_losses and not self.is_connected:
            raise RuntimeError(
                "this policy has auxiliary losses that its algorithm knows nothing of: call attach(model) after load"
            )

    def carried(self, values: Tensor, loss: AuxiliaryLoss, features: Tensor, transitions: Transitions) -> Tensor:
        """The values, carrying the weighted loss of these transitions into the backward pass; its metrics are kept."""
        if loss.target_momentum is not None:
            transitions = replace(transitions, next_features=self._next_features(loss, transitions.next_observations))
        computed = loss.loss(self.auxiliary_heads[loss.name], features, transitions)
        if computed is None:
            return values
        amount, metrics = computed
        if amount.numel() != 1:
            raise ValueError(
                f"the {loss.name} loss must be a scalar, not of shape {tuple(amount.shape)}: take its mean"
            )
        weighted = self._scales[loss.name] * amount
        if loss.log_grad_norm:
            metrics = metrics | {"grad_norm": self._grad_norm(weighted)}
        for name, number in {"loss": amount, **metrics}.items():
            self._metrics.setdefault(f"{loss.name}_{name}", []).append(torch.as_tensor(number).detach())
        return carry_loss(values, weighted)

    @torch.no_grad()
    def _next_features(self, loss: AuxiliaryLoss, observations: Observations) -> Tensor:
        """The features of next observations, by the extractor or by its moving average, which moves on first."""
        extractor: nn.Module = self.learning_extractor
        if loss.target_momentum:
            average = self.auxiliary_targets[loss.name]
            for mine, theirs in zip(average.parameters(), extractor.parameters(), strict=True):
                mine.lerp_(theirs, 1.0 - loss.target_momentum)
            for kept, current in zip(average.buffers(), extractor.buffers(), strict=True):
                kept.copy_(current)
            extractor = average
        if not getattr(extractor, "takes_raw_observations", False):
            observations = preprocess_obs(observations, self.observation_space, self.normalize_images)
        features: Tensor = extractor(observations)
        return features

    def _grad_norm(self, weighted: Tensor) -> Tensor:
        """The norm of the weighted loss's gradient with respect to the policy's own parameters, heads left out."""
        heads = {id(parameter) for parameter in self.auxiliary_heads.parameters()}
        own = [parameter for parameter in self.parameters() if parameter.requires_grad and id(parameter) not in heads]
        gradients: Any = torch.autograd.grad(weighted, own, retain_graph=True, allow_unused=True)
        squares = [gradient.square().sum() for gradient in gradients if gradient is not None]
        return torch.stack(squares).sum().sqrt()

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"auxiliary_losses": self.auxiliary_losses}


def add_heads(model: BaseAlgorithm, heads: type, losses: Sequence[AuxiliaryLoss]) -> None:
    """Gives a model's policy the heads of these losses, in place, and says so to what is saved.

    Args:
        model: Whose policy has none yet.
        heads: The mixin that suits the policy.
        losses: What to learn besides.
    """
    policy: Any = model.policy
    plain_class: Any = type(policy)
    policy.__class__ = mixed(heads, plain_class, "Attached")
    try:
        policy.add_losses(losses)
    except BaseException:
        policy.__class__ = plain_class
        raise
    model.policy_class = type(policy)
    model.policy_kwargs = {**model.policy_kwargs, "auxiliary_losses": tuple(losses)}
