"""The reward vector: goal, prediction, consistency, each in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class RewardVector(NamedTuple):
    """The components of a reward, or their weights."""

    goal: float
    """The parent's verdict."""
    pred: float
    """How well the learner's world model foresaw the outcome; 0 until a learner adds it."""
    cons: float
    """1 when the learner answers as it did the last time it saw the same observation; 0 at first sight."""


GOAL_ONLY = RewardVector(1.0, 0.0, 0.0)
"""The default weights: the scalar reward is the parent's verdict."""
WMIL_WEIGHTS = RewardVector(1.0, 0.1, 0.1)
"""The weights of the original WMIL plan."""


def checked_weights(weights: Sequence[float]) -> RewardVector:
    """The weights of goal, prediction and consistency.

    Raises:
        ValueError: not three finite numbers.
    """
    try:
        values = [float(weight) for weight in weights]
    except (TypeError, ValueError):
        values = []
    if len(values) != 3 or not np.isfinite(values).all():
        raise ValueError(f"reward_weights must be three finite numbers (goal, pred, cons), not {weights!r}")
    return RewardVector(*values)


def scalarise(vectors: npt.NDArray[np.float64], weights: RewardVector) -> npt.NDArray[np.float64]:
    """The weighted sum (...,) of reward vectors (..., 3); each component is weighted once, here and nowhere else."""
    rewards: npt.NDArray[np.float64] = vectors @ np.asarray(weights)
    return rewards
