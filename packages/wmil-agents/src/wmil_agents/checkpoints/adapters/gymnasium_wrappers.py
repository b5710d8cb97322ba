"""Gymnasium's wrappers, and its vector environment that holds single ones."""

from __future__ import annotations

from collections import deque
from typing import Any

from gymnasium import wrappers
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers.common import OrderEnforcing, PassiveEnvChecker, RecordEpisodeStatistics

from wmil_agents.checkpoints.adapter import register_adapter, register_attributes

_STATELESS = (
    wrappers.ClipAction,
    wrappers.ClipReward,
    wrappers.DtypeObservation,
    wrappers.FilterObservation,
    wrappers.FlattenObservation,
    wrappers.GrayscaleObservation,
    wrappers.RescaleAction,
    wrappers.RescaleObservation,
    wrappers.ReshapeObservation,
    wrappers.ResizeObservation,
    wrappers.TransformAction,
    wrappers.TransformObservation,
    wrappers.TransformReward,
)
_STATISTICS = ("episode_count", "episode_returns", "episode_lengths")
_QUEUES = ("return_queue", "length_queue", "time_queue")


def register() -> None:
    """Registers them."""
    for kind in _STATELESS:
        register_attributes(kind)
    register_attributes(wrappers.TimeLimit, "_elapsed_steps")
    register_attributes(wrappers.TimeAwareObservation, "timesteps")
    register_attributes(OrderEnforcing, "_has_reset")
    register_adapter(PassiveEnvChecker, lambda env: {}, _spare_checks)
    register_adapter(RecordEpisodeStatistics, _statistics, _load_statistics)
    register_attributes(SyncVectorEnv, "_terminations", "_truncations", "_autoreset_envs")


def _spare_checks(env: PassiveEnvChecker[Any, Any], state: dict[str, Any]) -> None:
    """Its first calls check the interface, comparing them with ones before: that was done in the other process."""
    env.checked_reset = env.checked_step = env.checked_render = env.checked_data_reuse = True


def _statistics(env: RecordEpisodeStatistics[Any, Any]) -> dict[str, Any]:
    return {name: getattr(env, name) for name in _STATISTICS} | {name: list(getattr(env, name)) for name in _QUEUES}


def _load_statistics(env: RecordEpisodeStatistics[Any, Any], state: dict[str, Any]) -> None:
    for name in _STATISTICS:
        setattr(env, name, state[name])
    for name in _QUEUES:
        setattr(env, name, deque(state[name], maxlen=getattr(env, name).maxlen))
