"""The interquartile mean over runs, with its bootstrap interval (Agarwal et al., 2021)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

N_RESAMPLES = 1_000
_SEED = 0


def interquartile_mean(values: Floats) -> Floats:
    """The mean of the middle half of n runs, (n, T) -> (T,).

    Each run has the mass 1 / n; what lies between the quarter and the three quarters of the sorted mass counts, so that
    a run on such a border counts in part: of 2 runs it is the mean, of 3 mostly the median.
    """
    middle: Floats = (_middle_half(np.ones((1, len(values)))) @ np.sort(values, axis=0))[0]
    return middle


def interquartile_interval(values: Floats) -> tuple[Floats, Floats]:
    """The 95 % percentile bootstrap interval of the interquartile mean, (n, T) -> (T,) twice; step by step.

    At each step the resample is the same choice among the *sorted* runs. As runs are exchangeable, this is the ordinary
    bootstrap of that step, and all steps together are one matrix product. Of few runs it is too narrow: see
    `wmil_agents.evaluation.intervals.MIN_PAIRS`.

    Raises:
        ValueError: there are fewer than two runs.
    """
    if len(values) < 2:
        raise ValueError(f"an interval needs at least 2 runs, not {len(values)}")
    resampled = np.sort(values, axis=0).T @ _resampling_weights(len(values)).T  # (T, N_RESAMPLES)
    low, high = np.quantile(resampled, [0.025, 0.975], axis=1, overwrite_input=True)
    return low, high


@lru_cache(maxsize=64)
def _resampling_weights(n: int) -> Floats:
    """(N_RESAMPLES, n) what each sorted run counts in the interquartile mean of each resample."""
    rng = np.random.default_rng(_SEED)
    return _middle_half(rng.multinomial(n, np.full(n, 1.0 / n), N_RESAMPLES).astype(np.float64))


def _middle_half(counts: Floats) -> Floats:
    """(R, n) weights, each row adding up to 1, of sorted values that occur so many times."""
    n = counts.shape[1]
    ends = np.cumsum(counts, axis=1)
    inside = np.clip(ends, n / 4, 3 * n / 4) - np.clip(ends - counts, n / 4, 3 * n / 4)
    weights: Floats = inside / (n / 2)
    return weights
