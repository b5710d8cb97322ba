from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
from wmil_agents.vec_env.infos import StepInfos
from wmil_agents.vec_env.lean_infos import LeanInfos

ID = "wmil_envs:WMIL/PatternEcho-v0"


def echo(n_envs: int = 300, infos: str = "lean") -> BatchVecEnv:
    return BatchVecEnv(gym.make_vec(ID, num_envs=n_envs, horizon=2), infos=infos)


def test_no_dicts_are_made_and_the_arrays_are_those_of_full_infos() -> None:
    steps = []
    for kind in ("full", "lean"):
        env = echo(4, kind)
        env.seed(0)
        env.reset()
        env.step(np.arange(4))
        steps.append(env.step(np.arange(4))[3])
    full, lean = steps
    assert isinstance(full, StepInfos)
    assert isinstance(lean, LeanInfos)
    assert len(lean) == 4
    assert all(not info for info in lean)
    assert lean.arrays._dicts is None
    for name in ("done", "episode_returns", "episode_lengths", "success", "final_observations"):
        assert np.array_equal(getattr(full, name), getattr(lean.arrays, name))
    assert np.array_equal(lean.final_observations, full.final_observations)


def test_nothing_can_be_written_where_all_environments_would_read_it() -> None:
    env = echo(2)
    env.reset()
    infos = env.step(np.zeros(2, dtype=np.int64))[3]
    with pytest.raises(TypeError, match="lean infos hold nothing, so 'note' cannot be written"):
        infos[0]["note"] = 1


def test_an_episode_cut_by_a_time_limit_has_its_dict() -> None:
    members = [lambda: gym.wrappers.TimeLimit(gym.make("CartPole-v1").unwrapped, 1) for _ in range(2)]
    env = BatchVecEnv(SyncVectorEnv(members, autoreset_mode="SameStep"), infos="lean")
    env.reset()
    infos = env.step(np.zeros(2, dtype=np.int64))[3]
    assert all(info["TimeLimit.truncated"] and info["terminal_observation"].shape == (4,) for info in infos)


def test_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match='infos must be "full" or "lean", not \'none\''):
        echo(infos="none")


def test_reinforce_learns_and_logs_the_same_with_both() -> None:
    episodes, vectors = [], []
    for kind in ("full", "lean"):
        model = REINFORCE("TransformerPolicy", echo(infos=kind), seed=0, device="cpu").learn(1_800)
        vectors.append(model.policy.parameters_to_vector())
        assert model.ep_info_buffer is not None
        assert model.ep_success_buffer is not None
        episodes.append(
            ([(info["r"], info["l"]) for info in model.ep_info_buffer], [bool(was) for was in model.ep_success_buffer])
        )
    assert episodes[0] == episodes[1]
    assert len(episodes[0][0]) == len(episodes[0][1]) == 100
    assert np.array_equal(vectors[0], vectors[1])


def test_reinforce_logs_what_stock_stable_baselines3_does_from_the_dicts() -> None:
    class Stock(REINFORCE):
        _update_info_buffer = REINFORCE.__mro__[1]._update_info_buffer

    buffers = []
    for kind in (REINFORCE, Stock):
        model = kind("TransformerPolicy", echo(infos="full"), seed=0, device="cpu").learn(1_800)
        buffers.append([[(i["r"], i["l"]) for i in model.ep_info_buffer], list(model.ep_success_buffer)])
    assert buffers[0] == buffers[1]
