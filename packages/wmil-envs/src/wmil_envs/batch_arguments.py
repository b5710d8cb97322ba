"""What callers pass to a vector env, checked at the door."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wmil_envs.bank import Bank
from wmil_envs.task import Task

Integers = npt.NDArray[np.int64]

_INT64 = np.dtype(np.int64)


def checked_actions(actions: Any, num_envs: int, n_actions: int) -> Integers:
    """Actions (num_envs,), each at least 0 and below n_actions.

    Raises:
        ValueError: another shape, type or range.
    """
    if type(actions) is not np.ndarray or actions.dtype is not _INT64 or actions.shape != (num_envs,):
        given = np.asarray(actions)
        if given.shape != (num_envs,):
            raise ValueError(f"actions must have the shape ({num_envs},), one for each env, not {given.shape}")
        if given.dtype.kind not in "iu":
            raise ValueError(f"actions must be integers, not {given.dtype}")
        actions = given.astype(np.int64)
    checked: Integers = actions
    # One pass for both ends of the range: as an unsigned number a negative action is huge.
    unsigned = checked.view(np.uint64)
    if unsigned[unsigned.argmax()] >= n_actions:
        wrong = checked[(checked < 0) | (checked >= n_actions)][0]
        raise ValueError(f"actions must be at least 0 and below {n_actions}, not {wrong}")
    return checked


def checked_mask(mask: Any, num_envs: int) -> npt.NDArray[np.bool_]:
    """A mask (num_envs,) with at least one True.

    Raises:
        ValueError: anything else.
    """
    given = np.asarray(mask)
    if given.dtype != np.bool_ or given.shape != (num_envs,) or not given.any():
        raise ValueError(f"reset_mask must be a boolean array ({num_envs},) with at least one True")
    return given


def checked_instances(instances: Any, num_envs: int, bank: Bank) -> Integers:
    """Numbers of instances (num_envs,), from one for all or one for each env.

    Raises:
        ValueError: another shape or type, or no such instance.
    """
    given = np.asarray(instances)
    if given.dtype.kind not in "iu" or given.shape not in ((), (num_envs,)):
        raise ValueError(f"the option instance must be an integer or an array ({num_envs},) of integers")
    if given.min() < 0 or given.max() >= bank.n_instances:
        raise ValueError(f"the option instance must be at least 0 and below {bank.n_instances}, not {instances}")
    return np.full(num_envs, given, dtype=np.int64)


def checked_levels(levels: Any, num_envs: int, task: Task) -> int | Integers:
    """One level for all envs, or one for each (num_envs,).

    Raises:
        ValueError: another shape, or no such level.
    """
    if np.ndim(levels) == 0:
        return task.level_index(levels)
    given = np.array([task.level_index(level) for level in levels], dtype=np.int64)
    if given.shape != (num_envs,):
        raise ValueError(f"the option level must be an integer or an array ({num_envs},) of integers")
    return given
