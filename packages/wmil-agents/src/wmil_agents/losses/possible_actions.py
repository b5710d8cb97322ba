"""A loss that teaches from what is known of each action."""

from __future__ import annotations

import torch
from torch import Tensor


def possible_actions_loss(log_probs: Tensor, possible: Tensor) -> Tensor:
    """Mean over (B,) of -log P(s), P(s) = sum of pi(a|s) over the actions that may still be right.

    Where one action is known to have failed it is -log(1 - pi(a|s)), where one is known to be right -log pi(a|s). P is
    summed over the possible actions in log space, so that loss and gradient stay finite however small it is.

    Args:
        log_probs: (B, n_actions).
        possible: (B, n_actions) bool, at least one in every row.
    """
    return -log_probs.masked_fill(~possible, -torch.inf).logsumexp(1).mean()
