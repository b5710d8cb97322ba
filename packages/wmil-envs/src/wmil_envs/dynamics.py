"""What comes after an answer: the instance that the next step of an episode shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

DYNAMICS = ("same", "fresh", "permute", "respond")

_PERMUTATION_SEED = 0
"""The permutation is part of the world: the same in every env and for every seed."""


def successors(dynamics: str, members: npt.NDArray[np.bool_], n_actions: int) -> npt.NDArray[np.int64] | None:
    """The next instance (n_instances, n_actions) for each instance and action, or None for a freshly drawn one.

    - `same`: the instance stays;
    - `fresh`: the parent sets a new one, drawn as at the start;
    - `permute`: a fixed permutation, one cycle through the instances;
    - `respond`: the action chooses, `action + 1` places further along that cycle.

    Args:
        dynamics: one of the four names above.
        members: (n_levels, n_instances), which instances a level may start from. A cycle runs through instances
            of the same levels only, so that no level is ever left.
        n_actions: number of actions.
    """
    n_instances = members.shape[1]
    everyone = np.arange(n_instances)
    if dynamics == "fresh":
        return None
    if dynamics == "same":
        return np.repeat(everyone[:, None], n_actions, axis=1)
    steps = np.ones(n_actions, dtype=np.int64) if dynamics == "permute" else np.arange(1, n_actions + 1)
    following = np.empty((n_instances, n_actions), dtype=np.int64)
    rng = np.random.default_rng(_PERMUTATION_SEED)
    _, group_of = np.unique(members, axis=1, return_inverse=True)
    for group in range(group_of.max() + 1):
        cycle = rng.permutation(everyone[group_of.ravel() == group])
        places = np.arange(len(cycle))[:, None] + steps
        following[cycle] = cycle[places % len(cycle)]
    return following
