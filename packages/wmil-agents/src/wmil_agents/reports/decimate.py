"""Fewer points of a line, its peaks and troughs among them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MAX_POINTS = 240


def decimated(values: npt.NDArray[np.float64], max_points: int = MAX_POINTS) -> npt.NDArray[np.int64]:
    """Places (K,) of at most so many of the values (T,), in order: first, last, and of equal parts least and most."""
    if len(values) <= max_points:
        return np.arange(len(values))
    kept = {0, len(values) - 1}
    for part in np.array_split(np.arange(1, len(values) - 1), (max_points - 2) // 2):
        kept |= {int(part[values[part].argmin()]), int(part[values[part].argmax()])}
    return np.array(sorted(kept))
