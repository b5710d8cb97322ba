"""Monte-Carlo returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def rewards_to_go(rewards: Floats, ends: NDArray[np.bool_], discount: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Discounted sum of the rewards from each step to the end of its episode, and whether all of them were seen.

    G_t = r_t + discount * G_{t+1} within an episode (Williams, 1992). At a discount of 0 that is r_t, known at once.

    Args:
        rewards: (T, n), steps in order, one column per environment.
        ends: (T, n), True where the episode ended with this step.
        discount: In [0, 1].

    Returns:
        Returns (T, n), in which the unfinished episodes' last steps count only what was seen, and completeness (T, n),
        False for exactly those steps; at a discount of 0 there are none.
    """
    returns = np.empty_like(rewards)
    complete = np.empty(ends.shape, dtype=bool)
    following = np.zeros_like(rewards[0])
    finished = np.full(ends.shape[1], discount == 0.0)
    for step in reversed(range(len(rewards))):
        finished = finished | ends[step]
        following = rewards[step] + discount * np.where(ends[step], 0.0, following)
        returns[step] = following
        complete[step] = finished
    return returns, complete


def leave_one_out_means(returns: Floats, complete: NDArray[np.bool_], group_size: int) -> Floats:
    """For each return the mean of the others of its step and group that are complete; itself where it has none.

    b_i = sum_{j != i} G_j / (n - 1) (Kool et al., 2019): as unbiased as any baseline that does not know the action.
    A return without others is its own baseline, so that it teaches nothing.

    Args:
        returns: (T, n), one column per environment.
        complete: (T, n), False for returns that do not count.
        group_size: Consecutive environments that are compared; a divisor of n.
    """
    shape = len(returns), -1, group_size
    counted = np.where(complete, returns, 0.0).reshape(shape)
    others = complete.reshape(shape).sum(2, keepdims=True) - complete.reshape(shape)
    means = (counted.sum(2, keepdims=True) - counted) / np.maximum(others, 1)
    return np.where(others > 0, means, returns.reshape(shape)).reshape(returns.shape).astype(returns.dtype)
