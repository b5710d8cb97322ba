"""Cross-entropy and squared error of several categorical predictions at once."""

from __future__ import annotations

from torch import Tensor


def surprises(log_probs: Tensor, targets: Tensor) -> Tensor:
    """-log p(target), (k, B), from log-probabilities (k, m, B) and targets (k, B)."""
    return -log_probs.gather(1, targets[:, None])[:, 0]


def mean_one_hot_squared_error(log_probs: Tensor, surprised: Tensor, n_values: Tensor) -> Tensor:
    """Mean over (k, B) of `one_hot_squared_error`, from log-probabilities (k, m, B) and `surprises` (k, B)."""
    squares, hits = (2.0 * log_probs).exp().sum((1, 2)), (-surprised).exp().sum(1)  # (k,)
    n_rows = log_probs.shape[2]
    error: Tensor = ((squares - 2.0 * hits + n_rows) / n_values).mean() / n_rows
    return error


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
