import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO

from wmil_agents.evaluation.policy_table import policy_table
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

ID = "wmil_envs:WMIL/PatternEcho-v0"
ROWS = np.array([[symbol, 0, 0] for symbol in range(8)], dtype=np.int32)


def make_model(**arguments: object) -> REINFORCE:
    return REINFORCE("TransformerPolicy", make_batch_vec_env(ID, num_envs=2, **arguments), seed=0)


def test_the_table_is_what_the_policy_samples_from() -> None:
    model = make_model()
    with torch.no_grad():
        model.policy.action_net.weight.normal_()
        expected = model.policy.get_distribution(torch.as_tensor(ROWS)).distribution.probs.numpy()
    table = policy_table(model, ROWS)
    assert table.shape == (8, 8)
    assert table.dtype == np.float64
    np.testing.assert_allclose(table, expected)
    assert np.ptp(table) > 0.1


def test_an_algorithm_and_its_policy_have_the_same_table() -> None:
    model = make_model()
    np.testing.assert_array_equal(policy_table(model, ROWS), policy_table(model.policy, ROWS))


def test_stock_policies_have_a_table() -> None:
    model = PPO("MlpPolicy", ID, n_steps=8, batch_size=8, seed=0)
    table = policy_table(model, ROWS)
    np.testing.assert_allclose(table.sum(1), 1.0, rtol=1e-6)


@pytest.mark.parametrize("was_training", [True, False])
def test_asking_changes_nothing(was_training: bool) -> None:
    model = make_model()
    model.policy.set_training_mode(was_training)
    before = torch.random.get_rng_state()
    policy_table(model, ROWS)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert model.policy.training is was_training


def test_a_policy_without_probabilities_is_refused() -> None:
    model = DQN("MlpPolicy", "CartPole-v1", buffer_size=10)
    with pytest.raises(TypeError, match="how likely"):
        policy_table(model, np.zeros((1, 4), dtype=np.float32))


def test_continuous_actions_are_refused() -> None:
    model = PPO("MlpPolicy", gym.make("Pendulum-v1"), n_steps=8, batch_size=8)
    with pytest.raises(TypeError, match="not discrete"):
        policy_table(model, np.zeros((1, 3), dtype=np.float32))
