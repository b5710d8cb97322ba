"""When attention first became selective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SHARE = 0.7
"""Of the first entropy."""


@dataclass(frozen=True)
class Emergence:
    """The first step at which an entropy lay below a share of its start."""

    step: int | None
    """None for never, or where it is undefined."""
    start: float
    """The first entropy."""
    threshold: float
    lowest: float
    """The least entropy that was measured."""
    reason: str = ""
    """Why it is undefined."""

    def __str__(self) -> str:
        if self.reason:
            return f"undefined: {self.reason}"
        where = "never" if self.step is None else f"at step {self.step:,}"
        return f"{where} below {self.threshold:.3g} (from {self.start:.3g}; lowest {self.lowest:.3g})"


def emergence_step(steps: Sequence[int], entropies: Sequence[float], share: float = SHARE) -> Emergence:
    """The first of the steps whose entropy is below `share` of the first one.

    It is the first crossing, not a lasting one: an entropy that comes back up counts all the same.

    Raises:
        ValueError: there are none, or not as many of both, steps do not increase, or an entropy is negative or nan.
    """
    values = np.asarray(entropies, np.float64)
    if not len(steps) or len(steps) != len(values):
        raise ValueError(f"{len(steps)} steps and {len(values)} entropies do not belong together")
    if np.any(np.diff(np.asarray(steps)) <= 0) or not np.all(values >= 0.0):
        raise ValueError("steps must increase, and entropies be 0 or more")
    start = float(values[0])
    threshold, lowest = share * start, float(values.min())
    if start == 0.0:
        return Emergence(None, start, threshold, lowest, "attention was on one token from the start")
    below = np.flatnonzero(values < threshold)
    return Emergence(int(steps[below[0]]) if len(below) else None, start, threshold, lowest)
