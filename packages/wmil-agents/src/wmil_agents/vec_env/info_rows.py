"""A vector environment's info, one dict for all, taken apart into one dict per environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPISODE_END_KEYS = ("final_obs", "final_info")
"""Gymnasium's keys for what an environment showed before it reset itself: read apart, never passed on."""

MAX_FLAGS = 60
"""So many fit as bits into one integer; more are written one by one."""


def new_rows(info: Mapping[str, Any], n_envs: int) -> list[dict[str, Any]]:
    """One new dict per environment with its part of the info.

    Environments of which the same is true and false get copies of one dict: several times as fast as writing each.
    """
    flags, rest = _parted(info, n_envs)
    kinds = np.zeros(n_envs, dtype=np.int64)
    for bit, values in enumerate(flags.values()):
        kinds += np.left_shift(values, bit, dtype=np.int64)
    kind_of_each = kinds.tolist()
    of_kind = {kind: {key: bool(kind >> bit & 1) for bit, key in enumerate(flags)} for kind in set(kind_of_each)}
    dicts: list[dict[str, Any]] = [of_kind[kind].copy() for kind in kind_of_each]
    if rest:
        write_rows(dicts, rest)
    return dicts


def write_rows(
    dicts: Sequence[dict[str, Any]], info: Mapping[str, Any], within: NDArray[np.bool_] | None = None
) -> None:
    """Writes each environment's part of the info into the environment's own dict.

    Args:
        dicts: one per environment.
        info: values with one row per environment, each beside its mask (`key` and `_key`); where the mask is missing
            the value is everybody's, by rows if it is an array of that many.
        within: the environments to write; None for all.
    """
    n_envs = len(dicts)
    for key, values in info.items():
        if _is_passed_over(key, info):
            continue
        mask = info.get(f"_{key}")
        if within is not None:
            mask = within if mask is None else mask & within
        chosen = where(mask)
        targets = rows_at(dicts, chosen)
        rows: Sequence[Any]
        if isinstance(values, Mapping):
            parts: list[dict[str, Any]] = [{} for _ in dicts]
            write_rows(parts, values, mask)
            rows = rows_at(parts, chosen)
        elif isinstance(values, np.ndarray) and values.shape[:1] == (n_envs,):
            rows = values[chosen].tolist() if values.ndim == 1 else list(values[chosen])
        else:
            rows = [values] * len(targets)
        for target, row in zip(targets, rows, strict=True):
            target[key] = row


def where(mask: NDArray[np.bool_] | None) -> slice | NDArray[np.intp]:
    """What to index rows with to get those where the mask is True: a slice, which copies nothing, if it is all."""
    return slice(None) if mask is None or is_all(mask) else np.flatnonzero(mask)


def is_all(mask: NDArray[np.bool_]) -> bool:
    """`mask.all()`, in a fifth of its time."""
    return int(np.count_nonzero(mask)) == len(mask)


def rows_at(rows: Sequence[Any], chosen: slice | NDArray[np.intp]) -> Sequence[Any]:
    """The rows that `where` chose."""
    return rows[chosen] if isinstance(chosen, slice) else [rows[i] for i in chosen.tolist()]


def _parted(info: Mapping[str, Any], n_envs: int) -> tuple[dict[str, NDArray[np.bool_]], dict[str, Any]]:
    """What is true or false of every environment, and the rest with its masks."""
    flags: dict[str, NDArray[np.bool_]] = {}
    rest: dict[str, Any] = {}
    for key, values in info.items():
        if _is_passed_over(key, info):
            continue
        mask = info.get(f"_{key}")
        is_flag = isinstance(values, np.ndarray) and values.dtype == np.bool_ and values.shape == (n_envs,)
        if is_flag and len(flags) < MAX_FLAGS and (mask is None or is_all(mask)):
            flags[key] = values
        else:
            rest[key] = values
            if mask is not None:
                rest[f"_{key}"] = mask
    return flags, rest


def _is_passed_over(key: str, info: Mapping[str, Any]) -> bool:
    """Whether a key is another's mask, or tells of the end of an episode."""
    return key in EPISODE_END_KEYS or (key[:1] == "_" and (key[1:] in info or key[1:] in EPISODE_END_KEYS))
