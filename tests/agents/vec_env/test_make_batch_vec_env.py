from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env


def test_an_id_whose_own_vector_env_resets_on_the_next_step_gets_a_sync_one() -> None:
    env = make_batch_vec_env("CartPole-v1", num_envs=2)
    assert isinstance(env.env, SyncVectorEnv)
    assert env.num_envs == 2


def test_an_id_without_a_vector_env_of_its_own_works_and_arguments_are_passed_on() -> None:
    env = make_batch_vec_env("Pendulum-v1", num_envs=2, g=5.0)
    assert env.get_attr("g") == [5.0, 5.0]


def test_the_native_vector_env_of_a_wmil_id_is_found() -> None:
    env = make_batch_vec_env("wmil_envs:WMIL/PatternEcho-v0", num_envs=4)
    assert not isinstance(env.env, SyncVectorEnv)
    assert env.get_attr("horizon") == [1, 1, 1, 1]


def test_the_seed_is_used_at_the_first_reset() -> None:
    one, other = make_batch_vec_env("CartPole-v1", 2, seed=3), make_batch_vec_env("CartPole-v1", 2)
    np.testing.assert_array_equal(one.reset(), other.reset(seed=3))
    assert not np.array_equal(one.reset(), other.reset(seed=3))


@pytest.mark.parametrize("num_envs", [0, -1, 2.5])
@pytest.mark.parametrize("id", ["CartPole-v1", "wmil_envs:WMIL/PatternEcho-v0"])
def test_fewer_than_one_env_is_refused(id: str, num_envs: Any) -> None:
    with pytest.raises(ValueError, match=f"num_envs must be .*, not {num_envs}"):
        make_batch_vec_env(id, num_envs)
