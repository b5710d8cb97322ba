from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest
from gymnasium.wrappers import TimeLimit, TransformReward
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from small_envs import Walk
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
from wmil_agents.vec_env.episode_limit import episode_limit


class Horizon(Walk):
    """With an attribute of that name, which may mean anything."""

    def __init__(self, horizon: Any) -> None:
        super().__init__()
        self.horizon = horizon


def unpicklable() -> Any:
    return TransformReward(gym.make("CartPole-v1"), lambda reward: 0.1 * reward)


@pytest.mark.parametrize(
    ("make", "limit"),
    [
        (Walk, None),
        (lambda: TimeLimit(Walk(), 7), 7),
        (lambda: TimeLimit(Horizon(5), 7), 5),
        (lambda: TimeLimit(Horizon(9), 7), 7),
        (lambda: gym.make("CartPole-v1"), 500),
        (lambda: gym.make("wmil_envs:WMIL/PatternEcho-v0", horizon=3), 3),
        *((lambda other=other: Horizon(other), None) for other in (None, float("inf"), len, "long", 0)),
        (lambda: TimeLimit(Horizon(None), 7), 7),
    ],
)
def test_the_shorter_of_horizon_and_time_limit_counts(make: Any, limit: int | None) -> None:
    assert episode_limit(DummyVecEnv([make] * 2)) == limit


def test_of_several_environments_the_longest_counts_and_one_that_tells_nothing_leaves_all_open() -> None:
    assert episode_limit(DummyVecEnv([lambda: TimeLimit(Walk(), 3), lambda: TimeLimit(Walk(), 4)])) == 4
    assert episode_limit(DummyVecEnv([lambda: TimeLimit(Walk(), 3), Walk])) is None


def test_a_vector_environment_tells_it() -> None:
    same_step = {"autoreset_mode": "SameStep"}
    sync = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync", vector_kwargs=same_step)
    assert episode_limit(BatchVecEnv(sync)) == 500
    assert episode_limit(BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=2, horizon=3))) == 3


def test_other_processes_are_not_asked_for_what_cannot_be_pickled() -> None:
    env = SubprocVecEnv([unpicklable] * 2)
    try:
        assert episode_limit(env) == 500
        assert REINFORCE("MlpPolicy", env, device="cpu").n_steps == 500
    finally:
        env.close()
