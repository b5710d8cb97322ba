"""Everything that a trained model is, clocks excepted, and where two of them differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import KVWriter, Logger

from wmil_agents.checkpoints.loop_state import loop_state
from wmil_agents.checkpoints.model_state import model_state

CLOCKS = {"seconds", "t", "time/fps", "time/time_elapsed"}


class Rows(KVWriter):
    """Keeps what a logger dumps."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        self.rows.append({"step": step, **{name: as_plain(value) for name, value in key_values.items()}})

    def close(self) -> None:
        pass


def as_plain(value: Any) -> Any:
    return value.item() if isinstance(value, torch.Tensor | np.ndarray) else value


def record_metrics(model: BaseAlgorithm) -> Rows:
    rows = Rows()
    model.set_logger(Logger(None, [rows]))
    return rows


def fingerprint(model: BaseAlgorithm, rows: Rows) -> dict[str, Any]:
    """As plain data."""
    buffer = vars(model).get("rollout_buffer")
    kept = {} if buffer is None else vars(buffer)
    return {
        "model": model_state(model),
        "loop": loop_state(model, None),
        "rollout": {name: value for name, value in kept.items() if isinstance(value, np.ndarray | dict)},
        "metrics": rows.rows,
    }


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """The paths at which two trees differ in a bit, a type or a key."""
    if type(one) is not type(other):
        return [f"{path}: {type(one).__name__} {one!r:.60} != {type(other).__name__} {other!r:.60}"]
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [f"{path}: keys {sorted(map(str, one.keys() ^ other.keys()))}"]
        return [
            found for key in one if key not in CLOCKS for found in differences(one[key], other[key], f"{path}/{key}")
        ]
    if isinstance(one, list | tuple):
        if len(one) != len(other):
            return [f"{path}: {len(one)} != {len(other)} entries"]
        pairs = enumerate(zip(one, other, strict=True))
        return [found for index, (a, b) in pairs for found in differences(a, b, f"{path}/{index}")]
    if isinstance(one, torch.Tensor):
        one, other = one.detach().cpu().numpy(), other.detach().cpu().numpy()
    if isinstance(one, np.ndarray):
        same = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
        return [] if same else [f"{path}: {np.sum(one != other) if one.shape == other.shape else one.shape} differ"]
    return [] if repr(one) == repr(other) else [f"{path}: {one!r:.60} != {other!r:.60}"]
