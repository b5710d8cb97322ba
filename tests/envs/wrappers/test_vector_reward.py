from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from wmil_envs.wrappers.vector_reward import BatchVectorReward, VectorReward


def test_the_reward_is_the_vector_and_its_space_says_so(env_id: str) -> None:
    env = VectorReward(gym.make(env_id, info="full"))
    env.reset(seed=0)
    _, reward, *_, info = env.step(0)
    assert env.reward_space.contains(reward)
    np.testing.assert_array_equal(reward, info["vector_reward"])
    assert reward[0] == float(info["success"])


@pytest.mark.parametrize("mode", ["same_step", "next_step"])
def test_a_batch_of_vectors_has_a_row_for_each_env(env_id: str, mode: str) -> None:
    env = BatchVectorReward(gym.make_vec(env_id, num_envs=4, info="full", autoreset_mode=mode))
    env.reset(seed=0)
    for _ in range(3):
        _, rewards, *_ = env.step(np.zeros(4, dtype=np.int64))
        assert rewards.shape == (4, 3)
        assert all(env.reward_space.contains(reward) for reward in rewards)


def test_an_env_without_the_vector_is_refused(env_id: str) -> None:
    with pytest.raises(ValueError, match='info="full"'):
        VectorReward(gym.make(env_id))
    with pytest.raises(ValueError, match='info="full"'):
        BatchVectorReward(gym.make_vec(env_id, num_envs=2))
    with pytest.raises(ValueError, match='info="full"'):
        VectorReward(gym.make("CartPole-v1"))
