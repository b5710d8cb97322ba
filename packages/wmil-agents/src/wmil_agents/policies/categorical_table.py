"""Categorical distributions of many rows that share few distinct ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class CategoricalTable:
    """B categorical distributions, each one of D different ones; whatever is per distribution is computed D times."""

    log_probs: Tensor
    """(D, n_actions), normalised."""
    rows: Tensor
    """(B,) which of the D each one is."""

    def sample(self) -> Tensor:
        """An action (B,) for each row, every row with a draw of its own.

        Raises:
            RuntimeError: Probabilities are not numbers; torch says the same of a distribution of its own.
        """
        cumulated = self.log_probs.detach().exp().cumsum(1).t()  # (n_actions, D)
        if not bool(cumulated[-1].isfinite().all()):
            raise RuntimeError("probabilities of actions are inf or nan: learning went astray in an earlier update")
        draws = torch.rand(len(self.rows), dtype=cumulated.dtype, device=cumulated.device)
        below = cumulated[:-1].index_select(1, self.rows) <= draws  # beyond the last but one it is the last
        return below.sum(0)

    def mode(self) -> Tensor:
        """The most likely action (B,)."""
        return self.log_probs.argmax(1)[self.rows]

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probability (B,) of actions (B,)."""
        return self.log_probs.flatten().index_select(0, self.rows * self.log_probs.shape[1] + actions)

    def entropy(self) -> Tensor:
        """Entropy (B,)."""
        entropies = -(self.log_probs.exp() * self.log_probs).sum(1)
        return entropies.index_select(0, self.rows)
