"""Stable-Baselines3's vector environments, their wrappers, and its `Monitor`."""

from __future__ import annotations

import time
from typing import Any

from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecCheckNan,
    VecExtractDictObs,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)
from stable_baselines3.common.vec_env.stacked_observations import StackedObservations

from wmil_agents.checkpoints.adapter import register_adapter, register_attributes
from wmil_agents.vec_env.vec_env_state import load_normaliser_state, normaliser_state

# Monitor's lists of all past episodes are left out: nothing that follows depends on them, and they grow without end.
_MONITOR = ("rewards", "needs_reset", "total_steps", "current_reset_info")
_VEC_MONITOR = ("episode_returns", "episode_lengths", "episode_count")


def register() -> None:
    """Registers them."""
    for kind in (VecCheckNan, VecExtractDictObs, VecTransposeImage):
        register_attributes(kind)
    register_attributes(DummyVecEnv, "_seeds")
    register_adapter(VecNormalize, normaliser_state, load_normaliser_state)
    register_adapter(VecFrameStack, _frames, _load_frames)
    register_adapter(Monitor, *_timed(_MONITOR))
    register_adapter(VecMonitor, *_timed(_VEC_MONITOR))


def _timed(names: tuple[str, ...]) -> tuple[Any, Any]:
    """Save and load of attributes, and of the time since the beginning."""

    def save(monitor: Any) -> dict[str, Any]:
        copies = {name: _copy(getattr(monitor, name)) for name in names}
        return copies | {"seconds": time.time() - monitor.t_start}

    def load(monitor: Any, state: dict[str, Any]) -> None:
        for name in names:
            setattr(monitor, name, _copy(state[name]))
        monitor.t_start = time.time() - state["seconds"]

    return save, load


def _copy(value: Any) -> Any:
    return value.copy() if hasattr(value, "copy") else value


def _frames(venv: VecFrameStack) -> dict[str, Any]:
    return {name: stack.stacked_obs.copy() for name, stack in _stacks(venv).items()}


def _load_frames(venv: VecFrameStack, state: dict[str, Any]) -> None:
    for name, stack in _stacks(venv).items():
        if state[name].shape != stack.stacked_obs.shape:
            raise ValueError(f"stacked observations of shape {state[name].shape} are not {stack.stacked_obs.shape}")
        stack.stacked_obs = state[name].copy()


def _stacks(venv: VecFrameStack) -> dict[str, StackedObservations[Any]]:
    """The stacks by the names of a Dict's entries."""
    stacked: Any = venv.stacked_obs
    return getattr(stacked, "sub_stacked_observations", None) or {"": stacked}
