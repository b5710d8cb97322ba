"""The prediction component of the reward."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.prediction_reward import PredictionReward
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

ID = "wmil_envs:WMIL/PatternEcho-v0"


def model_and_env(weight: float = 0.1, **arguments: object) -> tuple[PPO, PredictionReward]:
    env = PredictionReward(BatchVecEnv(gym.make_vec(ID, num_envs=4, **arguments)), weight)
    model = PPO(TransformerPolicy, env, n_steps=8, batch_size=16, seed=0)
    attach(model, [WorldModelLoss()])
    env.watch(model)
    return model, env


def test_the_component_is_exp_of_minus_the_error_and_weighted_once() -> None:
    model, env = model_and_env(weight=0.5, info="full")
    plain = BatchVecEnv(gym.make_vec(ID, num_envs=4))
    env.seed(3), plain.seed(3)
    obs, actions = env.reset(), np.array([0, 1, 2, 3])
    assert (plain.reset() == obs).all()
    _, rewards, _, infos = env.step(actions)
    _, goal, _, plain_infos = plain.step(actions)
    with torch.no_grad():
        features = model.policy.extract_features(torch.as_tensor(obs))
        head = model.policy.auxiliary_heads["world_model"]
        probabilities = head.predict(features, torch.as_tensor(actions)).numpy()
    for i in range(4):
        outcome = plain_infos[i]["terminal_observation"]
        errors = []
        for column, n_values in enumerate((8, 9, 3)):
            onehot = np.eye(n_values)[outcome[column]]
            errors.append(((probabilities[i, column, :n_values] - onehot) ** 2).mean())
        component = np.exp(-np.mean(errors))
        assert rewards[i] == pytest.approx(goal[i] + 0.5 * component, abs=1e-6)
        assert infos[i]["vector_reward"] == pytest.approx([goal[i], component, 0.0], abs=1e-6)


def test_it_grows_as_the_world_model_learns() -> None:
    model, env = model_and_env()
    pair = np.array([[3, 0, 0]], dtype=np.int32), np.array([3]), np.array([[3, 4, 2]], dtype=np.int32)
    before = env.rewards(*pair)
    model.learn(1_024)
    assert before < env.rewards(*pair) <= 1.0


def test_without_a_world_model_it_says_what_to_do() -> None:
    env = PredictionReward(BatchVecEnv(gym.make_vec(ID, num_envs=4)))
    model = PPO(TransformerPolicy, env, n_steps=8, batch_size=16)
    with pytest.raises(RuntimeError, match=r"call env\.watch"):
        model.learn(32)
    with pytest.raises(ValueError, match="attach"):
        env.watch(model)
    with pytest.raises(ValueError, match="finite"):
        PredictionReward(BatchVecEnv(gym.make_vec(ID, num_envs=4)), float("nan"))


def test_a_state_dict_continues_bit_for_bit() -> None:
    model, env = model_and_env(horizon=3, dynamics="permute")
    env.seed(0)
    env.reset()
    env.step(np.arange(4))
    state = env.state_dict()
    expected = [env.step(np.arange(4))[:3] for _ in range(5)]
    other = PredictionReward(BatchVecEnv(gym.make_vec(ID, num_envs=4, horizon=3, dynamics="permute")))
    other.watch(model)
    other.load_state_dict(state)
    for step in expected:
        np.testing.assert_equal(other.step(np.arange(4))[:3], step)
