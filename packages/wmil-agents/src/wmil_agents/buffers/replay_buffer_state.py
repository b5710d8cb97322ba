"""The state of Stable-Baselines3's replay buffers, which tell none themselves: the rows that are filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer


def replay_buffer_state(buffer: ReplayBuffer) -> dict[str, Any]:
    """The rows that are filled, and where the next one goes."""
    n_rows = _n_rows(buffer, buffer.size())
    columns = {name: column[:n_rows].copy() for name, column in _columns(buffer).items()}
    return {"columns": columns, "next_row": buffer.pos, "is_full": buffer.full}


def check_replay_buffer_state(buffer: ReplayBuffer, state: dict[str, Any]) -> None:
    """Raises a `ValueError` where a state does not fit into a buffer."""
    own, columns = _columns(buffer), state["columns"]
    if columns.keys() != own.keys():
        raise ValueError(f"the state has the columns {', '.join(columns)}, not {', '.join(own)} as here")
    next_row, is_full = int(state["next_row"]), bool(state["is_full"])
    n_filled = buffer.buffer_size if is_full else next_row
    for name, rows in columns.items():
        fits = rows.shape[1:] == own[name].shape[1:] and rows.dtype == own[name].dtype
        if not fits or not 0 <= next_row < buffer.buffer_size or len(rows) != _n_rows(buffer, n_filled):
            full = "full " if is_full else ""
            raise ValueError(
                f"a {full}buffer's {name} of shape {rows.shape}, {rows.dtype}, do not fit into one of "
                f"{own[name].shape}, {own[name].dtype}"
            )


def load_replay_buffer_state(buffer: ReplayBuffer, state: dict[str, Any]) -> None:
    """Restores what `replay_buffer_state` returned.

    Raises:
        ValueError: It does not fit; nothing has changed then.
    """
    check_replay_buffer_state(buffer, state)
    columns: dict[str, NDArray[Any]] = state["columns"]
    for name, own in _columns(buffer).items():
        np.copyto(own[: len(columns[name])], columns[name])
    buffer.pos, buffer.full = int(state["next_row"]), bool(state["is_full"])


def _columns(buffer: ReplayBuffer) -> dict[str, NDArray[Any]]:
    """The arrays of a replay buffer, those of Dict observations as `observations/<name>`."""
    names = ["observations", "next_observations", "actions", "rewards", "dones", "timeouts"]
    if buffer.optimize_memory_usage:
        names.remove("next_observations")
    columns: dict[str, NDArray[Any]] = {}
    for name in names:
        column = getattr(buffer, name)
        if isinstance(column, dict):
            columns |= {f"{name}/{entry}": rows for entry, rows in column.items()}
        else:
            columns[name] = column
    return columns


def _n_rows(buffer: ReplayBuffer, n_filled: int) -> int:
    """How many rows hold something: with `optimize_memory_usage` the row after the last has its next observation."""
    return min(n_filled + buffer.optimize_memory_usage, buffer.buffer_size)
