"""What a policy does, action by action: shares, means, entropy, saturation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from wmil_agents.evaluation.quantity import estimated_mean
from wmil_envs.oracle import Estimated

Floats = NDArray[np.float64]

NEAR = 0.01
"""An action this near to a bound, as a share of the range, is at it."""


@dataclass(frozen=True)
class ActionStatistics:
    """Figures of n actions."""

    n: int
    shares: Floats | None
    """(n_actions,) how often each was taken, for Discrete actions."""
    marginal_entropy: float | None
    """Of these shares, in nats; the policy's own entropy, given what it sees, is lower or equal."""
    mean: Floats | None
    """Of each element, for Box actions."""
    deviation: Floats | None
    """Standard deviation of each element."""
    saturation: Floats | None
    """Share of actions at a bound or beyond, of each element; not-a-number where it has no bounds."""
    entropy: Estimated | None
    """The policy's entropy in nats, -mean log-probability; where log-probabilities were given. Of a Box it is a
    differential entropy, before clipping."""


def action_statistics(
    actions: NDArray[Any], space: spaces.Space[Any], log_probs: NDArray[Any] | None = None
) -> ActionStatistics:
    """The figures of actions (n, ...).

    Raises:
        ValueError: there are fewer than two, or the space is neither Discrete nor Box.
    """
    actions = np.asarray(actions)
    if len(actions) < 2:
        raise ValueError(f"statistics need at least 2 actions, not {len(actions)}")
    entropy = None if log_probs is None else estimated_mean((-np.asarray(log_probs, np.float64)).tolist())
    if isinstance(space, spaces.Discrete):
        counts = np.bincount(actions.astype(np.int64) - int(space.start), minlength=int(space.n))
        shares = counts / len(actions)
        taken = shares[shares > 0.0]
        return ActionStatistics(len(actions), shares, float(-(taken * np.log(taken)).sum()), None, None, None, entropy)
    if not isinstance(space, spaces.Box):
        raise ValueError(f"there are statistics of Discrete and Box actions, not of {space}")
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    actions = actions.astype(np.float64)
    with np.errstate(invalid="ignore"):
        margin = NEAR * (high - low)
        at_bound = ((actions <= low + margin) | (actions >= high - margin)).mean(0)
    saturation = np.where(np.isfinite(low) & np.isfinite(high), at_bound, np.nan)
    return ActionStatistics(len(actions), None, None, actions.mean(0), actions.std(0), saturation, entropy)
