"""Distillation of a policy from a teacher's scores."""

from __future__ import annotations

from torch import Tensor


def soft_target_divergence(log_probs: Tensor, scores: Tensor, temperature: float) -> Tensor:
    """Mean over (B,) of KL(target || policy), target = softmax(scores / temperature) (Hinton et al., 2015).

    Args:
        log_probs: (B, n_actions) of the policy, normalised.
        scores: (B, n_actions) of the teacher.
        temperature: Of the target; near 0 it is the teacher's favourite alone.
    """
    target = (scores / temperature).log_softmax(-1)
    divergence: Tensor = (target.exp() * (target - log_probs)).sum(-1)
    return divergence.mean()
