"""The contrastive loss InfoNCE."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(similarities: Tensor) -> Tensor:
    """Symmetric InfoNCE of similarities (K, K), whose diagonal holds the pairs (van den Oord et al., 2018).

    L = -mean_i [log softmax_j(s_ij)[i] + log softmax_j(s_ji)[i]] / 2: each anchor must find its positive among all
    positives, and each positive its anchor. Log K for a guess.
    """
    partners = torch.arange(len(similarities), device=similarities.device)
    return (F.cross_entropy(similarities, partners) + F.cross_entropy(similarities.T, partners)) / 2.0
