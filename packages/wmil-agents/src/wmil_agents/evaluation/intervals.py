"""95 % confidence intervals: of a rate, of a mean, of any statistic, and of what differs between pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Statistic = Callable[..., Floats]
"""Of the values along an `axis`: `np.mean`, `np.median`."""
Interval = tuple[float, float]

_Z95 = 1.959963984540054
_GRID = 20_001
_NEARLY_NORMAL = 10_000
"""Degrees of freedom from which Student's quantile is taken from the normal distribution."""
N_RESAMPLES = 10_000
MIN_PAIRS = 6
"""With fewer pairs all differences have one sign by chance more often than once in 20 times, 2^(1 - n) > .05, and then
the interval of a bootstrap leaves out 0: so nothing should be concluded from it."""


def wilson_interval(n_successes: int, n: int) -> Interval:
    """The 95 % score interval of a rate (Wilson, 1927); it has a width even where all or none succeeded.

    Raises:
        ValueError: there are no trials, or more successes than trials.
    """
    if n < 1 or not 0 <= n_successes <= n:
        raise ValueError(f"{n_successes} successes in {n} trials have no interval")
    rate, z = n_successes / n, _Z95
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def mean_interval(values: Sequence[float]) -> Interval:
    """The 95 % interval of a mean by Student's t; without any width where all values are the same.

    Raises:
        ValueError: there are fewer than two values.
    """
    n = len(values)
    if n < 2:
        raise ValueError(f"an interval needs at least 2 values, not {n}")
    array = np.asarray(values, dtype=np.float64)
    mean, half = float(array.mean()), student_quantile(n - 1) * float(array.std(ddof=1)) / math.sqrt(n)
    return mean - half, mean + half


def bootstrap_interval(
    values: Sequence[float] | Floats, statistic: Statistic, rng: np.random.Generator, n_resamples: int = N_RESAMPLES
) -> Interval:
    """The 95 % percentile interval of a statistic (Efron, 1979).

    Its ends are the .025 and the .975 quantile of the statistic over resamples, each of n values drawn with replacement
    from the n. Of few values it is too narrow: see `MIN_PAIRS`.

    Raises:
        ValueError: there are fewer than two values.
    """
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        raise ValueError(f"an interval needs at least 2 values, not {len(array)}")
    resampled = statistic(rng.choice(array, (n_resamples, len(array))), axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)


def paired_bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    statistic: Statistic,
    rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
) -> tuple[float, Interval]:
    """The statistic of `second - first`, pair by pair, and its 95 % bootstrap interval: whole pairs are drawn again.

    What both of a pair have in common, the luck of their seed, is not in the differences. Exchanging `first` and
    `second` changes signs and nothing else, up to the draws.

    Raises:
        ValueError: there are fewer than two pairs, or values without a partner.
    """
    if len(first) != len(second):
        raise ValueError(f"pairs need as many values on both sides, not {len(first)} and {len(second)}")
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    interval = bootstrap_interval(differences, statistic, rng, n_resamples)
    return float(statistic(differences, axis=0)), interval


def student_quantile(degrees_of_freedom: int) -> float:
    """The t with P(|T| < t) = .95.

    With T = sqrt(v) tan(angle) the density is proportional to cos(angle)^(v - 1), which is summed on a grid.
    """
    if degrees_of_freedom >= _NEARLY_NORMAL:
        return _Z95
    angles = np.linspace(0.0, math.pi / 2, _GRID)
    density = np.cos(angles) ** (degrees_of_freedom - 1)
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    angle = float(np.interp(0.95, cumulative / cumulative[-1], angles))
    return math.sqrt(degrees_of_freedom) * math.tan(angle)
