"""A world model that foresees the features of the next observation instead of the observation itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional as F

from wmil_agents.auxiliary_loss import AuxiliaryLoss, Transitions
from wmil_agents.losses.latent_prediction import latent_prediction_loss, spread
from wmil_agents.networks.value_embedding import ValueEmbedding
from wmil_envs.integer import checked_integer


@dataclass(frozen=True)
class LatentWorldModelLoss(AuxiliaryLoss):
    """How far the features foreseen from features and action point from those of the next observation.

    The target is the next observation's features by a moving average of the extractor (`momentum`, as in SPR and BYOL),
    or, at momentum 0, by the extractor itself; no gradient flows into it. Unlike a raw observation such a target can
    collapse: features that are the same everywhere are foreseen perfectly. Watch the metric `spread`, which then goes
    to 0; `WorldModelLoss`, whose target cannot collapse and whose error has a computed floor, is the one to begin with.
    """

    scale: float | Callable[[float], float] = 0.2
    """Weight of the loss, a number or a function of the progress remaining; at 0 nothing is computed."""
    momentum: float = 0.99
    """Share of the target extractor that stays in each minibatch, in [0, 1); 0 for the extractor itself."""
    hidden_width: int = 64
    """Hidden units of the head, and size of the action's embedding."""
    n_replayed: int = 16
    """Past transitions to learn from beside each minibatch."""
    name: str = "latent_world_model"
    """Names the head and the metrics."""
    log_grad_norm: bool = False
    """Whether to log the norm of the weighted loss's gradient on the policy; a backward pass more."""

    def check_settings(self) -> None:
        """As every loss's."""
        super().check_settings()
        checked_integer("hidden_width", self.hidden_width, at_least=1)
        if not 0.0 <= self.momentum < 1.0:
            raise ValueError(f"momentum must be at least 0 and below 1, not {self.momentum}")

    @property
    def target_momentum(self) -> float:
        """The momentum."""
        return self.momentum

    def build(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], features_dim: int
    ) -> LatentWorldModelHead:
        """A fresh head for features of this size."""
        return LatentWorldModelHead(action_space, features_dim, self.hidden_width)

    def loss(self, head: nn.Module, features: Tensor, transitions: Transitions) -> tuple[Tensor, dict[str, Tensor]]:
        """The distance between directions; `spread` is that of the targets."""
        targets = transitions.next_features
        assert targets is not None
        predictions = head(features, transitions.actions)
        return latent_prediction_loss(predictions, targets), {"spread": spread(targets)}


class LatentWorldModelHead(nn.Module):
    """Features and an action's embedding through one hidden layer to features.

    Args:
        action_space: Box, Discrete, MultiDiscrete or MultiBinary.
        features_dim: Size of the features.
        hidden_width: Size of the action's embedding and of the hidden layer.
    """

    def __init__(self, action_space: spaces.Space[Any], features_dim: int, hidden_width: int) -> None:
        super().__init__()
        self.action_embedding = ValueEmbedding(action_space, hidden_width)
        self.from_features = nn.Linear(features_dim, hidden_width)
        self.to_features = nn.Linear(hidden_width, features_dim)

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:
        """Features (B, features_dim) and actions -> features of the next observation (B, features_dim)."""
        embedded = self.action_embedding(actions.reshape(len(features), -1))
        predicted: Tensor = self.to_features(F.gelu(self.from_features(features) + embedded))
        return predicted
