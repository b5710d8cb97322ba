import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv

from wmil_agents.evaluation.evaluate import evaluate
from wmil_agents.evaluation.sampled import evaluate_episodes, evaluation_seed
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env
from wmil_envs.oracle import Estimated, Unavailable
from wmil_envs.seeding import REPLICATE_STRIDE, spawn_seeds


class Countdown(gym.Env):
    """Episodes of 1 step in the first environment, of 9 in the second; the return is the length."""

    observation_space = gym.spaces.Box(0.0, 1.0, (1,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, n_steps: int) -> None:
        self.n_steps, self.left = n_steps, n_steps

    def reset(self, *, seed=None, options=None):
        self.left = self.n_steps
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.zeros(1, dtype=np.float32), 1.0, self.left == 0, False, {}


def test_evaluation_seeds_are_those_of_no_training_run() -> None:
    largest = spawn_seeds(REPLICATE_STRIDE - 1, REPLICATE_STRIDE - 1)[-1] + REPLICATE_STRIDE - 1
    assert evaluation_seed(0) > largest


def test_short_episodes_are_not_favoured() -> None:
    env = DummyVecEnv([lambda: Countdown(1), lambda: Countdown(9)])
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=8)
    evaluation = evaluate_episodes(model, env, n_episodes=20, seed=0)
    assert isinstance(evaluation.episode_return, Estimated)
    assert evaluation.episode_return.n == 20
    assert evaluation.episode_return.value == 5.0
    assert isinstance(evaluation.success, Unavailable)


def test_any_environment_can_be_evaluated() -> None:
    env = make_batch_vec_env("CartPole-v1", num_envs=4)
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=8, seed=0)
    evaluation = evaluate(model, env, n_episodes=10, seed=evaluation_seed(0))
    assert world_of(env) is None
    assert isinstance(evaluation.episode_return, Estimated)
    low, high = evaluation.episode_return.interval
    assert low < evaluation.episode_return.value < high
    assert evaluation.oracle is None


def test_the_same_seed_gives_the_same_estimate_and_leaves_torch_as_it_was() -> None:
    env = make_batch_vec_env("wmil_envs:WMIL/PatternEcho-v0", num_envs=4)
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=8, seed=0)
    one = evaluate_episodes(model, env, 30, 5).episode_return
    torch.rand(1)
    before = torch.random.get_rng_state()
    two, other = (evaluate_episodes(model, env, 30, seed).episode_return for seed in (5, 6))
    assert one == two
    assert one != other
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_seed_decides_the_draws_of_a_policy_that_explores_by_itself() -> None:
    env = make_vec_env("wmil_envs:WMIL/PatternEcho-v0", 2, env_kwargs={"horizon": 3})
    model = DQN("MlpPolicy", env, buffer_size=10, seed=0)
    model.exploration_rate = 0.5
    before = model.action_space.np_random.bit_generator.state
    returns = [evaluate_episodes(model, env, 20, seed=seed).episode_return.value for seed in (1, 1, 2, 3)]
    assert returns[0] == returns[1]
    assert len(set(returns)) > 1
    assert model.action_space.np_random.bit_generator.state == before


def test_success_has_wilsons_interval() -> None:
    env = make_batch_vec_env("wmil_envs:WMIL/PatternEcho-v0", num_envs=4)
    evaluation = evaluate_episodes(PPO("MlpPolicy", env, n_steps=8, batch_size=8, seed=0), env, 40, 0)
    assert isinstance(evaluation.success, Estimated)
    assert evaluation.success.n == 40
    assert 0.0 < evaluation.success.interval[0] < evaluation.success.value < evaluation.success.interval[1] < 1.0


def test_a_policy_without_probabilities_has_no_entropy() -> None:
    env = make_vec_env("CartPole-v1", n_envs=2)
    evaluation = evaluate_episodes(DQN("MlpPolicy", env, buffer_size=10), env, 4, 0, deterministic=True)
    assert isinstance(evaluation.entropy, Unavailable)


def test_one_episode_is_refused() -> None:
    env = make_batch_vec_env("CartPole-v1", num_envs=1)
    with pytest.raises(ValueError, match="at least 2"):
        evaluate_episodes(PPO("MlpPolicy", env, n_steps=8, batch_size=8), env, 1, 0)
