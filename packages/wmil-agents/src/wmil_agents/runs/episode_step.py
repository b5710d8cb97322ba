"""One step of an algorithm, from what its loop shows to callbacks, as a row of the grid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.runs.episode_layout import step_layout
from wmil_agents.runs.episode_rows import ENDED, STEP, Layout, StepGrid, named_parts
from wmil_agents.runs.episode_samples import next_of_step
from wmil_agents.vec_env.infos import StepInfos
from wmil_agents.vec_env.next_observation_recorder import tells_batches
from wmil_envs.parent import SOURCES

_UNTOLD_SOURCE = 255


def shown_layout(model: BaseAlgorithm, shown: Mapping[str, Any]) -> Layout:
    """What there is to write of every step, told by the first."""
    env, infos = env_of(model), shown["infos"]
    components = _column(env, infos, "vector_reward")
    return step_layout(
        model,
        n_components=0 if components is None else components.shape[1],
        has_sources=_column(env, infos, "parent_source") is not None,
    )


def record_step(grid: StepGrid, model: BaseAlgorithm, shown: Mapping[str, Any]) -> None:
    """Write the step just taken into the grid.

    Args:
        grid: with the layout of `shown_layout`.
        model: with the observations that it acted on.
        shown: what the algorithm's loop shows to callbacks.
    """
    env, dones = env_of(model), shown["dones"]
    for name, rows in named_parts("observations", model._last_obs).items():
        grid.row(name)[...] = rows
    grid.row("actions")[...] = shown["actions"]
    grid.row("rewards")[...] = shown["rewards"]
    if "log_probs" in grid.columns:
        grid.row("log_probs")[...] = shown["log_probs"].numpy(force=True)
        grid.row("values")[...] = shown["values"].numpy(force=True).reshape(-1)
    grid.row(ENDED)[...] = dones
    grid.row(STEP)[...] = model.num_timesteps
    infos = shown["infos"]
    arrays = getattr(infos, "arrays", infos)
    if isinstance(arrays, StepInfos):
        grid.row("terminated")[...] = arrays.terminated
        grid.row("truncated")[...] = arrays.truncated
        success = arrays.success
        grid.row("success")[...] = -1 if success is None else np.where(arrays.success_is_told, success, -1)
    else:
        cut = np.array([bool(info.get("TimeLimit.truncated")) for info in infos]) & dones
        grid.row("terminated")[...] = dones & ~cut
        grid.row("truncated")[...] = cut
        told = [info.get("is_success", info.get("success")) for info in infos]
        grid.row("success")[...] = [-1 if one is None else bool(one) for one in told]
    if "reward_components" in grid.columns:
        components = _column(env, infos, "vector_reward")
        grid.row("reward_components")[...] = math.nan if components is None else components
    if "parent_sources" in grid.columns:
        words = _column(env, infos, "parent_source")
        grid.row("parent_sources")[...] = _source_codes(words)
    if np.count_nonzero(dones):
        for name, rows in named_parts("final_observations", next_of_step(env, shown)).items():
            grid.row(name)[...] = rows
    grid.n_filled += 1


def env_of(model: BaseAlgorithm) -> VecEnv:
    """The environments that an algorithm learns in."""
    assert model.env is not None
    return model.env


def _column(env: VecEnv, infos: Any, name: str) -> NDArray[Any] | None:
    """What the infos tell under a name, a row for each environment; None where they do not."""
    arrays = getattr(infos, "arrays", infos)
    if isinstance(arrays, StepInfos):
        column = arrays.column(name)
        if column is None or tells_batches(env):
            return column
    told = [info.get(name) for info in infos]
    return None if any(one is None for one in told) else np.asarray(told)


def _source_codes(words: NDArray[Any] | None) -> Any:
    if words is None:
        return _UNTOLD_SOURCE
    codes = np.full(len(words), _UNTOLD_SOURCE, np.uint8)
    for code, word in enumerate(SOURCES):
        codes[words == word] = code
    return codes
