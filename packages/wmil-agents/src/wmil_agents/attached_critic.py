"""A policy with a critic whose values carry auxiliary losses, for DQN, SAC, TD3 and DDPG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.dqn.policies import DQNPolicy
from torch import Tensor, nn

from wmil_agents.auxiliary_heads import AuxiliaryHeads
from wmil_agents.auxiliary_loss import AuxiliaryLoss, Transitions


class AttachedCriticPolicy(AuxiliaryHeads):
    """Mixin for an off-policy algorithm's policy: its critic's values carry the weighted auxiliary losses.

    The critic is asked once in an update about the very observations and actions that the replay buffer yielded; hooks
    around that call take the features it computes and hang the losses onto its answer, so the algorithm's own backward
    pass, and its clipping, are those of the joint loss, at no second forward pass. The heads are no part of the critic:
    its target network has none to follow.
    """

    _captured: Tensor | None = None
    _is_capturing = False

    @property
    def learning_critic(self) -> Any:
        """The network whose features learn from the losses: DQN's action values, else the critics."""
        return self.q_net if isinstance(self, DQNPolicy) else self.critic

    @property
    def learning_extractor(self) -> BaseFeaturesExtractor:
        """The critic's own."""
        extractor: BaseFeaturesExtractor = self.learning_critic.features_extractor
        return extractor

    @property
    def learning_optimizer(self) -> torch.optim.Optimizer:
        """The critic's."""
        owner: Any = self if isinstance(self, DQNPolicy) else self.learning_critic
        optimizer: torch.optim.Optimizer = owner.optimizer
        return optimizer

    def add_losses(self, losses: Sequence[AuxiliaryLoss]) -> None:
        """As ever; and hooks onto the critic."""
        super().add_losses(losses)
        self.learning_critic.register_forward_pre_hook(self._before_critic)
        self.learning_critic.register_forward_hook(self._after_critic)
        self.learning_extractor.register_forward_hook(self._after_extractor)

    def _before_critic(self, critic: nn.Module, inputs: tuple[Any, ...]) -> None:
        if not torch.is_grad_enabled():
            return
        self.require_connection()
        known = self.minibatch.observations, self.minibatch.actions
        is_minibatch = all(mine is theirs for mine, theirs in zip(known, inputs, strict=False))
        self._is_capturing = is_minibatch and bool(self.active_losses)

    def _after_extractor(self, extractor: nn.Module, inputs: tuple[Any, ...], features: Tensor) -> None:
        if self._is_capturing and torch.is_grad_enabled():
            self._captured = features

    def _after_critic(self, critic: nn.Module, inputs: tuple[Any, ...], answer: Any) -> Any:
        features, self._captured, was_capturing, self._is_capturing = self._captured, None, self._is_capturing, False
        if not was_capturing or not torch.is_grad_enabled():
            return answer
        minibatch = self.minibatch
        assert features is not None
        assert minibatch.observations is not None
        assert minibatch.actions is not None
        assert minibatch.next_observations is not None
        actions = minibatch.actions.flatten() if isinstance(self.action_space, spaces.Discrete) else minibatch.actions
        transitions = Transitions(minibatch.observations, actions, minibatch.next_observations)
        values, *others = answer if isinstance(answer, tuple) else (answer,)
        for loss in self.active_losses:
            values = self.carried(values, loss, features, transitions)
        return (values, *others) if isinstance(answer, tuple) else values
