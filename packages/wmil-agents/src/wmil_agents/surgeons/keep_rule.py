"""When an edit is kept: a one-sided paired test on items that the search has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wmil_agents.surgeons.score import Floats


@dataclass(frozen=True)
class Decision:
    """What the rule says of one edit."""

    keep: bool
    p_value: float
    """How often as large a gain would come from differences whose signs are drawn by chance."""
    gain: float
    """Weighted mean of the differences."""


@dataclass(frozen=True)
class KeepRule:
    """Keeps an edit if the score rose, and rises as much by chance at most `alpha` of the time.

    The test turns the sign of each item's difference by chance (Fisher's, 1935). Where an edit changes nothing but
    luck, so that differences are as likely positive as negative, it is kept with probability `alpha` or less, however
    few the items are and however the differences are distributed.
    """

    alpha: float = 0.05
    """The level of the test."""
    n_flips: int = 1_999
    """How many sets of signs are drawn."""

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise ValueError(f"alpha must lie between 0 and 1, not be {self.alpha}")
        if self.n_flips < 1 / self.alpha - 1:
            raise ValueError(f"at a level of {self.alpha}, n_flips must be at least {round(1 / self.alpha - 1)}")

    def decide(self, before: Floats, after: Floats, weights: Floats, rng_seed: int) -> Decision:
        """Compares the scores of the same items (n,) before and after.

        Args:
            before: without the edit.
            after: with it.
            weights: how much each item counts.
            rng_seed: of the signs.

        Raises:
            ValueError: the shapes differ, or a number is not finite.
        """
        if not before.shape == after.shape == weights.shape or before.ndim != 1:
            raise ValueError(
                f"scores {before.shape}, {after.shape} and weights {weights.shape} are not of the same items"
            )
        parts = weights * (after - before)
        if not np.isfinite(parts).all():
            raise ValueError("scores must be finite numbers")
        gain = float(parts.sum())
        if gain <= 0.0:
            return Decision(False, 1.0, gain)
        signs = np.random.default_rng(rng_seed).integers(0, 2, (self.n_flips, len(parts)), dtype=np.int8) * 2 - 1
        slack = 1e-12 * float(np.abs(parts).sum())  # sums of the same parts in another order count as equal
        n_as_large = int(np.count_nonzero(signs @ parts >= gain - slack))
        p_value = (1 + n_as_large) / (1 + self.n_flips)
        return Decision(p_value <= self.alpha, p_value, gain)
