"""When a task counts as learnt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SOLVED = 0.95
"""Share of the ceiling at which a task counts as learnt."""
_ROUNDING = 1e-9


def steps_until(steps: Sequence[float], scores: Sequence[float], lows: Sequence[float], threshold: float) -> int | None:
    """The step of the first evaluation that is at the threshold; None if none is.

    Args:
        steps: (T,) of the evaluations.
        scores: (T,)
        lows: (T,) lower ends of their intervals, which have to be there where they are numbers.
        threshold: what counts as learnt.
    """
    sure = np.where(np.isnan(lows), scores, lows)
    solved = np.flatnonzero(sure >= threshold - _ROUNDING)
    return int(steps[solved[0]]) if len(solved) else None
