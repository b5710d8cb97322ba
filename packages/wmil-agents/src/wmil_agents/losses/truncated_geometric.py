"""Draws of how far ahead to look within an episode."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def truncated_geometric(
    limits: NDArray[np.integer[Any]], discount: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draws d from 1..limit with P(d) proportional to discount^(d - 1), one for each limit, by inverting the CDF.

    Args:
        limits: (n,) integers, at least 1.
        discount: In (0, 1): how much rarer each further step is.
        rng: Draws n uniform numbers.
    """
    mass = 1.0 - np.power(discount, limits)
    steps_beyond = np.floor(np.log1p(-rng.random(len(limits)) * mass) / np.log(discount)).astype(np.int64)
    offsets: NDArray[np.int64] = np.minimum(1 + steps_beyond, limits)  # rounding could make one too many
    return offsets
