"""Prediction of a feature vector."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def latent_prediction_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean over (B,) of 2 - 2 cos(prediction, target), from (B, d) each (Grill et al., 2020): 0 at best, 4 at worst."""
    return 2.0 - 2.0 * F.cosine_similarity(predictions, targets).mean()


def spread(vectors: Tensor) -> Tensor:
    """Variance of the vectors' directions, from (B, d): 0 if all point the same way or nowhere, at most 1."""
    directions = F.normalize(vectors)
    return directions.square().sum(1).mean() - directions.mean(0).square().sum()
