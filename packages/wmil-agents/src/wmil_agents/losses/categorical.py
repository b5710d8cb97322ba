"""Cross-entropy and squared error of several categorical predictions at once."""

from __future__ import annotations

from torch import Tensor


def categorical_cross_entropy(log_probs: Tensor, targets: Tensor) -> Tensor:
    """Mean over (B, k) of -log p(target), from log-probabilities (B, k, m) and targets (B, k)."""
    return -log_probs.gather(-1, targets[..., None]).mean()


def one_hot_squared_error(probabilities: Tensor, targets: Tensor, n_values: Tensor) -> Tensor:
    """Squared error of predicted probabilities against the one-hot target, mean over an attribute's values: (B, k).

    error = sum_v (p_v - [v = target])^2 / n. A uniform guess among n values errs by (n - 1) / n^2.

    Args:
        probabilities: (B, k, m), 0 where a value does not exist.
        targets: (B, k) integers.
        n_values: (k,) number of values of each attribute.
    """
    hit = probabilities.gather(-1, targets[..., None]).squeeze(-1)  # (B, k)
    error: Tensor = (probabilities.square().sum(-1) - 2.0 * hit + 1.0) / n_values
    return error
