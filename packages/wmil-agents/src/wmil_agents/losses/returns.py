"""Monte-Carlo returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def rewards_to_go(rewards: Floats, ends: NDArray[np.bool_], discount: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Discounted sum of the rewards from each step to the end of its episode, and whether that end was seen.

    G_t = r_t + discount * G_{t+1} within an episode (Williams, 1992).

    Args:
        rewards: (T, n), steps in order, one column per environment.
        ends: (T, n), True where the episode ended with this step.
        discount: In [0, 1].

    Returns:
        Returns (T, n), in which the unfinished episodes' last steps count only what was seen, and completeness (T, n),
        False for exactly those steps.
    """
    returns = np.empty_like(rewards)
    complete = np.empty(ends.shape, dtype=bool)
    following = np.zeros_like(rewards[0])
    finished = np.zeros(ends.shape[1], dtype=bool)
    for step in reversed(range(len(rewards))):
        finished = finished | ends[step]
        following = rewards[step] + discount * np.where(ends[step], 0.0, following)
        returns[step] = following
        complete[step] = finished
    return returns, complete
