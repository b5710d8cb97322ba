"""A contrastive loss: features of now and of later in the same episode find each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn
from torch.nn import functional as F

from wmil_agents.auxiliary_loss import AuxiliaryLoss, FutureDraw, Transitions
from wmil_agents.losses.info_nce import info_nce
from wmil_agents.vec_env.episode_limit import episode_limit
from wmil_envs.integer import checked_integer

FIRST_TEMPERATURE = 0.1
LEAST_TEMPERATURE = 0.01
MOST_LOG_SHARPNESS = -math.log(LEAST_TEMPERATURE)


@dataclass(frozen=True)
class ContrastiveLoss(AuxiliaryLoss):
    """InfoNCE between the features h_t of a step and h_{t+d} of a later one of its episode, d truncated-geometric.

    For `n_pairs` rows of each minibatch that have a later step in the rollout, one is drawn, never the row itself and
    never one of another episode. Its features come from the same forward pass and are learnt from too. The other pairs
    are the negatives, all by one product of matrices, in both directions, at a learnt temperature.

    It needs rollouts with later steps: an on-policy algorithm with `n_steps` of at least 2, and episodes longer than a
    step. Metrics: `accuracy`, the share of anchors whose own positive is the most similar, and `temperature`.
    """

    scale: float | Callable[[float], float] = 0.1
    """Weight of the loss, a number or a function of the progress remaining; at 0 nothing is computed."""
    n_pairs: int = 8
    """Most pairs per minibatch; each costs the forward and backward pass of one row more."""
    discount: float = 0.9
    """How much rarer each further step ahead is drawn, in (0, 1); of the steps ahead 1 / (1 - discount) is the mean."""
    width: int = 32
    """Size of the vectors that are compared."""
    name: str = "contrastive"
    """Names the head and the metrics."""
    log_grad_norm: bool = False
    """Whether to log the norm of the weighted loss's gradient on the policy; a backward pass more."""

    def check_settings(self) -> None:
        """As every loss's; the other pairs are the negatives, so there must be two."""
        super().check_settings()
        checked_integer("n_pairs", self.n_pairs, at_least=2)
        checked_integer("width", self.width, at_least=1)
        if not 0.0 < self.discount < 1.0:
            raise ValueError(f"discount must be between 0 and 1, not {self.discount}")

    @property
    def futures(self) -> FutureDraw:
        """How many later observations it asks for, and how far ahead."""
        return FutureDraw(self.n_pairs, self.discount)

    def check_env(self, env: VecEnv) -> None:
        """Refuses episodes of one step, which have no later one."""
        if episode_limit(env) == 1:
            raise ValueError(
                f"the {self.name} loss compares a step with a later one of its episode, and in this environment "
                "every episode is one step long: make it with a horizon, or a time limit, of at least 2"
            )

    def build(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], features_dim: int
    ) -> ContrastiveHead:
        """A fresh head for features of this size."""
        return ContrastiveHead(features_dim, self.width)

    def loss(
        self, head: nn.Module, features: Tensor, transitions: Transitions
    ) -> tuple[Tensor, dict[str, Tensor]] | None:
        """InfoNCE of the pairs; without two pairs there is no negative, and nothing to learn."""
        assert isinstance(head, ContrastiveHead)
        futures = transitions.futures
        if futures is None or len(futures.rows) < 2:
            return None
        similarities = head(features[futures.rows], futures.features)
        with torch.no_grad():
            right = similarities.argmax(1) == torch.arange(len(similarities), device=similarities.device)
            metrics = {"accuracy": right.float().mean(), "temperature": 1.0 / head.sharpness}
        return info_nce(similarities), metrics


class ContrastiveHead(nn.Module):
    """Similarities of anchors with positives: cosines of two projections, over a learnt temperature.

    Args:
        features_dim: Size of the features.
        width: Size of the projections.
    """

    def __init__(self, features_dim: int, width: int) -> None:
        super().__init__()
        self.from_now = nn.Linear(features_dim, width, bias=False)
        self.from_later = nn.Linear(features_dim, width, bias=False)
        self.log_sharpness = nn.Parameter(torch.tensor(-math.log(FIRST_TEMPERATURE)))
        """Of one over the temperature, so that the temperature stays above 0."""

    @property
    def sharpness(self) -> Tensor:
        """One over the temperature."""
        return self.log_sharpness.exp()

    def forward(self, now: Tensor, later: Tensor) -> Tensor:
        """Features (K, features_dim) of anchors and of their positives -> similarities (K, K).

        A step beyond `LEAST_TEMPERATURE` is taken back here: the parameter itself is limited, since behind a limited
        function of it there would be no gradient that leads back.
        """
        with torch.no_grad():
            self.log_sharpness.clamp_(max=MOST_LOG_SHARPNESS)
        anchors, positives = F.normalize(self.from_now(now)), F.normalize(self.from_later(later))
        return self.sharpness * (anchors @ positives.T)
