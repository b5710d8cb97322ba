"""95 % intervals of a table in which every row meets every column: seeds of learning times cases to judge them by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wmil_agents.evaluation.intervals import N_RESAMPLES, Interval

Floats = npt.NDArray[np.float64]


def crossed_mean(table: Floats, rng: np.random.Generator, n_resamples: int = N_RESAMPLES) -> Interval:
    """The interval of the mean of a table (n_rows, n_columns).

    Rows are drawn with replacement, columns too, and each resample is the mean over the drawn rows and columns: the
    pigeonhole bootstrap, which is on the wide side (Owen, 2007, "The pigeonhole bootstrap"). The luck of a seed is in
    all of its cases, and the hardness of a case is in all seeds, so cells alone would be no independent draws.

    Raises:
        ValueError: there are fewer than two columns. With a single row, columns alone are drawn.
    """
    return crossed_ratio(table, np.ones_like(table), rng, n_resamples)


def crossed_ratio(
    numerators: Floats, denominators: Floats, rng: np.random.Generator, n_resamples: int = N_RESAMPLES
) -> Interval:
    """The interval of sum(numerators) / sum(denominators) over tables (n_rows, n_columns), drawn as for the mean.

    Raises:
        ValueError: the tables are not alike, or have fewer than two columns.
    """
    if numerators.shape != denominators.shape or numerators.ndim != 2 or numerators.shape[1] < 2:
        shapes = f"{numerators.shape} and {denominators.shape}"
        raise ValueError(f"a crossed bootstrap needs two tables of one shape with at least 2 columns, not {shapes}")
    n_rows, n_columns = numerators.shape
    rows = rng.multinomial(n_rows, np.full(n_rows, 1.0 / n_rows), n_resamples)  # (R, n_rows)
    columns = rng.multinomial(n_columns, np.full(n_columns, 1.0 / n_columns), n_resamples)  # (R, n_columns)

    def sums(table: Floats) -> Floats:
        summed: Floats = np.einsum("rc,rc->r", rows @ table, columns)
        return summed

    low, high = np.quantile(sums(numerators) / sums(denominators), [0.025, 0.975])
    return float(low), float(high)
