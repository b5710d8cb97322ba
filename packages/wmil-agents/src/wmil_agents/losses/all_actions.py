"""The policy-gradient loss of all actions at once."""

from __future__ import annotations

from torch import Tensor


def all_actions_loss(log_probs: Tensor, scores: Tensor) -> Tensor:
    """Mean over (B,) of -sum_a pi(a|s) score(s, a), the expected score (Allen et al., 2017).

    Its gradient is what that of -log pi(a|s) score(s, a) is on average over the actions drawn, without their variance.
    For the logits it is -pi(a|s) (score(s, a) - sum_b pi(b|s) score(s, b)): the softmax itself subtracts the expected
    score, so a baseline would change nothing, and where the policy is sure of the best action it is 0.

    Args:
        log_probs: (B, n_actions) of the policy, normalised.
        scores: (B, n_actions), what each action would earn.
    """
    return -(log_probs.exp() * scores).sum(1).mean()
