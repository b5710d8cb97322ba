"""Quantities of an oracle or an evaluation as text and as estimates from episodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wmil_agents.evaluation.intervals import mean_interval, wilson_interval
from wmil_envs.oracle import Estimated, Exact, Quantity, Unavailable


def quantity_text(quantity: Quantity) -> str:
    """A quantity for people: never a bare number where it is not exact."""
    match quantity:
        case Exact(value):
            return f"{value:.3f}"
        case Estimated(value, n, (low, high)):
            return f"{value:.3f} [{low:.3f}, {high:.3f}] (n = {n})"
        case Unavailable(reason):
            return f"not available: {reason}"


def number(quantity: Quantity) -> float | None:
    """The value, or None where there is none."""
    return None if isinstance(quantity, Unavailable) else float(quantity)


def estimated_rate(outcomes: Sequence[bool]) -> Estimated:
    """The share of successes with Wilson's interval."""
    n, n_successes = len(outcomes), sum(outcomes)
    return Estimated(n_successes / n, n, wilson_interval(n_successes, n))


def estimated_mean(values: Sequence[float]) -> Estimated:
    """The mean with Student's interval."""
    return Estimated(float(np.mean(values)), len(values), mean_interval(values))
