"""Quantities of an oracle or an evaluation as text and as estimates from episodes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wmil_agents.evaluation.intervals import mean_interval, wilson_interval
from wmil_envs.oracle import Estimated, Exact, Quantity, Unavailable

_FIGURES = 4


def figure_text(value: float) -> str:
    """A number for people, with four figures: 0.0625, 2.079, 485.1, 12,345; a dash for what is not a number."""
    if math.isnan(value):
        return "-"
    whole = 0 if abs(value) < 1.0 else math.floor(math.log10(min(abs(value), 10.0**_FIGURES))) + 1
    return f"{value:,.{max(0, _FIGURES - whole)}f}"


def interval_text(quantity: Estimated) -> str:
    """The ends of the 95 % interval."""
    low, high = quantity.interval
    return f"[{figure_text(low)}, {figure_text(high)}]"


def quantity_text(quantity: Quantity) -> str:
    """A quantity for people: never a bare number where it is not exact."""
    match quantity:
        case Exact(value):
            return figure_text(value)
        case Estimated(value, n, _):
            return f"{figure_text(value)} {interval_text(quantity)} (n = {n})"
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


def estimated_return(returns: Sequence[float]) -> Estimated:
    """The mean with Student's interval; of returns that are all 0 or 1 it is a rate, and the interval is Wilson's."""
    if set(returns) <= {0.0, 1.0}:
        return estimated_rate([one == 1.0 for one in returns])
    return estimated_mean(returns)
