"""Environments that the learner's tests share."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
import torch

from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

MakeEnv = Callable[..., BatchVecEnv]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _imports_once() -> None:
    """Whoever starts the server of processes: those of environments and of runs have imported what they need."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        multiprocessing.set_forkserver_preload(["wmil_agents.runs.processes", "torch._dynamo"])


@pytest.fixture
def make_env() -> MakeEnv:
    """PatternEcho, many at once, for Stable-Baselines3."""

    def make(n_envs: int = 8, **kwargs: Any) -> BatchVecEnv:
        return BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=n_envs, **kwargs))

    return make
