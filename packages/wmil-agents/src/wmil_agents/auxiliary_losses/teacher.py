"""Distillation from the parent's scores of all actions: a control that shows what a teacher would be worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wmil_agents.auxiliary_loss import Transitions
from wmil_agents.auxiliary_losses.action_scores import ActionScoresLoss
from wmil_agents.losses.soft_target import soft_target_divergence


@dataclass(frozen=True)
class TeacherLoss(ActionScoresLoss):
    """KL from the parent's soft target, softmax(scores / temperature), to the policy: the "teacher" control.

    A parent judges what the learner did and is no teacher: a learner with this loss is told what it should have done.
    It therefore works only in an environment made with `reveals_all_actions=True`, and every update logs
    `train/uses_teacher`, so that no result of it passes for one of reinforcement learning.

    Metric: `agreement`, the share of steps at which the policy's favourite action is one of the teacher's.
    """

    scale: float | Callable[[float], float] = 1.0
    """Weight of the loss, a number or a function of the progress remaining; at 0 nothing is computed."""
    temperature: float = 0.1
    """Of the target, above 0: at .1 a right action (score 1) is e^10 times as likely as a wrong one (score 0)."""
    name: str = "teacher"
    """Names the metrics."""
    log_grad_norm: bool = False
    """Whether to log the norm of the weighted loss's gradient on the policy; a backward pass more."""

    def check_settings(self) -> None:
        """As every loss's."""
        super().check_settings()
        if not 0.0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be a number above 0, not {self.temperature}")

    def loss(self, head: nn.Module, features: Tensor, transitions: Transitions) -> tuple[Tensor, dict[str, Tensor]]:
        """The divergence from the target."""
        scores, log_probs = transitions.action_scores, transitions.log_probs
        assert scores is not None
        assert log_probs is not None
        with torch.no_grad():
            favourites = scores.gather(1, log_probs.argmax(1, keepdim=True)).squeeze(1)
            agreement = (favourites == scores.amax(1)).float().mean()
        return soft_target_divergence(log_probs, scores, self.temperature), {"agreement": agreement}
