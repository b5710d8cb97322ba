"""How far two raters agree on right and wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Agreement:
    """Two raters on the same cells: the model's verdict, 0.5 and above being right, and the rule."""

    both_right: int
    """Cells that both call right."""
    model_only: int
    """Cells that only the model calls right."""
    rule_only: int
    """Cells that only the rule calls right."""
    both_wrong: int
    """Cells that both call wrong."""

    @property
    def n(self) -> int:
        """Number of cells."""
        return self.both_right + self.model_only + self.rule_only + self.both_wrong

    @property
    def share(self) -> float | None:
        """How often they agree; None where there is nothing to compare."""
        return (self.both_right + self.both_wrong) / self.n if self.n else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (1960), (p - e) / (1 - e): agreement p beyond what the raters' habits alone give, e.

        None where it is undefined: a rater who always says the same agrees by habit alone.
        """
        by_model, by_rule = self.both_right + self.model_only, self.both_right + self.rule_only
        if by_model in (0, self.n) or by_rule in (0, self.n):
            return None
        by_habit = (by_model * by_rule + (self.n - by_model) * (self.n - by_rule)) / self.n**2
        assert self.share is not None
        return (self.share - by_habit) / (1.0 - by_habit)

    @property
    def why_no_kappa(self) -> str | None:
        """Why kappa is undefined; None where it is not."""
        if self.kappa is not None:
            return None
        if not self.n:
            return "nothing was judged"
        by_rule = self.both_right + self.rule_only
        who = "the rule" if by_rule in (0, self.n) else "the model"
        return f"{who} says the same of every cell"


def agreement(model: Bools, rule: Bools) -> Agreement:
    """Counts over the cells (n,) of what each rater calls right."""
    counts = [model & rule, model & ~rule, ~model & rule, ~model & ~rule]
    return Agreement(*(int(np.count_nonzero(cells)) for cells in counts))


def sample_agreement(right: Bools) -> float | None:
    """How often two samples of the same question agree, over all cells and pairs.

    Args:
        right: (n_samples, n_cells) what each sample calls right.

    Returns:
        None with fewer than two samples or without cells.
    """
    n_samples, n_cells = right.shape
    if n_samples < 2 or not n_cells:
        return None
    n_right = right.sum(axis=0)
    agreeing = n_right * (n_right - 1) + (n_samples - n_right) * (n_samples - n_right - 1)
    return float(agreeing.mean() / (n_samples * (n_samples - 1)))
