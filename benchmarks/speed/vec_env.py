"""How long a step of `BatchVecEnv` takes against Stable-Baselines3's `DummyVecEnv` with `Monitor`, 256 environments."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from benchmarks.figure import Figure
from benchmarks.measure import median_ratio, microseconds_per_call
from benchmarks.program import run_program
from benchmarks.speed.environments import time_figure
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

ID = "wmil_envs:WMIL/PatternEcho-v0"
N_ENVS = 256
RATIO = 20.0
KEYS = {"terminal_observation", "episode", "is_success"}


class SuccessNamedForSB3(gym.Wrapper[Any, Any, Any, Any]):
    """Tells `is_success` too, without which Stable-Baselines3 logs no success rate over `DummyVecEnv`."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and repeat `success` under SB3's name."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        info["is_success"] = info["success"]
        return observation, reward, terminated, truncated, info


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    n_turns = 9 if short else 41
    ours = BatchVecEnv(gym.make_vec(ID, num_envs=N_ENVS))
    plain = DummyVecEnv([lambda: Monitor(gym.make(ID))] * N_ENVS)
    same_infos = DummyVecEnv([lambda: Monitor(SuccessNamedForSB3(gym.make(ID)))] * N_ENVS)
    for env in (ours, same_infos):
        env.reset()
        assert env.step(np.zeros(N_ENVS, dtype=np.int64))[3][0].keys() >= KEYS
    contestants = {
        "BatchVecEnv, infos untouched": stepping(ours, "untouched"),
        "BatchVecEnv, all infos made": stepping(ours, "made"),
        "BatchVecEnv, all infos read by SB3": stepping(ours, "read"),
        "DummyVecEnv + Monitor": stepping(plain, "untouched"),
        "DummyVecEnv + Monitor, read by SB3": stepping(plain, "read"),
        "DummyVecEnv + Monitor with is_success": stepping(same_infos, "untouched"),
        "DummyVecEnv + Monitor with is_success, read by SB3": stepping(same_infos, "read"),
    }
    timings = microseconds_per_call(contestants, n_turns)
    figures = [time_figure(f"{name}, {N_ENVS} envs, one step", timing, None) for name, timing in timings.items()]
    ratios = (
        ("DummyVecEnv + Monitor with is_success, read by SB3", "BatchVecEnv, all infos read by SB3", RATIO),
        ("DummyVecEnv + Monitor with is_success", "BatchVecEnv, all infos made", RATIO),
        ("DummyVecEnv + Monitor, read by SB3", "BatchVecEnv, all infos read by SB3", None),
        ("DummyVecEnv + Monitor", "BatchVecEnv, all infos made", None),
        ("DummyVecEnv + Monitor", "BatchVecEnv, infos untouched", None),
    )
    for theirs, our, bound in ratios:
        ratio = median_ratio(timings[theirs], timings[our])
        figures.append(Figure(f"{our}: times as fast as {theirs}", ratio, "x", bound, "more", repeats=n_turns))
    return figures


def stepping(env: VecEnv, infos: str) -> Callable[[], object]:
    """One step with random actions drawn before, its infos `untouched`, `made`, or `read` by SB3's own code."""
    env.reset()
    rng = np.random.default_rng(0)
    actions = itertools.cycle(list(rng.integers(8, size=(64, N_ENVS))))
    reader: Any = SimpleNamespace(ep_info_buffer=deque(maxlen=100), ep_success_buffer=deque(maxlen=100))

    def untouched() -> None:
        env.step(next(actions))

    def made() -> None:
        _ = env.step(next(actions))[3][0]

    def read() -> None:
        _, _, dones, step_infos = env.step(next(actions))
        BaseAlgorithm._update_info_buffer(reader, step_infos, dones)

    return {"untouched": untouched, "made": made, "read": read}[infos]


if __name__ == "__main__":
    run_program("benchmarks.speed.vec_env", measure, __doc__)
