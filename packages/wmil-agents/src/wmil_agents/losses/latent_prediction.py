"""Prediction of a feature vector."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def latent_prediction_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean over (B,) of 2 - 2 cos(prediction, target), from (B, d) each (Grill et al., 2020): 0 at best, 4 at worst."""
    return 2.0 - 2.0 * F.cosine_similarity(predictions, targets).mean()


def spread(vectors: Tensor) -> Tensor:
    """1 - |mean of the vectors' directions|^2, from (B, d): 0 if all point the same way, at most 1."""
    return 1.0 - F.normalize(vectors).mean(0).square().sum()
