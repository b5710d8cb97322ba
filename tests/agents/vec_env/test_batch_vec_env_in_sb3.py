"""`BatchVecEnv` under Stable-Baselines3's wrappers, callbacks and algorithms."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor, VecNormalize

from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env


def cart_poles(n: int = 3) -> tuple[VecEnv, VecEnv]:
    """The same environments from us and from SB3, with the same seeds."""
    theirs = DummyVecEnv([lambda: Monitor(gym.make("CartPole-v1"))] * n)
    theirs.seed(4)
    return make_batch_vec_env("CartPole-v1", n, seed=4), theirs


@pytest.mark.parametrize("algorithm", [PPO, A2C, DQN])
def test_an_algorithm_learns_the_same_weights_as_on_dummy_vec_env(algorithm: type[BaseAlgorithm]) -> None:
    settings: dict[str, Any] = {"learning_starts": 20, "train_freq": 4} if algorithm is DQN else {"n_steps": 20}
    if algorithm is PPO:
        settings["batch_size"] = 30
    ours, theirs = (algorithm("MlpPolicy", env, device="cpu", seed=0, **settings).learn(240) for env in cart_poles())
    for one, other in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert torch.equal(one, other)
    assert [(e["r"], e["l"]) for e in ours.ep_info_buffer or []] == [
        (e["r"], e["l"]) for e in theirs.ep_info_buffer or []
    ]


def test_sac_learns_the_same_weights_as_on_dummy_vec_env() -> None:
    ours = make_batch_vec_env("Pendulum-v1", 2, seed=4)
    theirs = DummyVecEnv([lambda: Monitor(gym.make("Pendulum-v1"))] * 2)
    theirs.seed(4)
    models = [
        # past the time limit of 200, where the true last observation is bootstrapped
        SAC("MlpPolicy", env, device="cpu", seed=0, learning_starts=200, batch_size=16).learn(420)
        for env in (ours, theirs)
    ]
    for one, other in zip(models[0].policy.parameters(), models[1].policy.parameters(), strict=True):
        assert torch.equal(one, other)
    assert models[0].replay_buffer is not None
    assert models[1].replay_buffer is not None
    assert models[0].replay_buffer.timeouts.sum() == models[1].replay_buffer.timeouts.sum() > 0
    np.testing.assert_array_equal(
        models[0].replay_buffer.next_observations[:210], models[1].replay_buffer.next_observations[:210]
    )


def test_vec_normalize_gives_the_same_as_over_dummy_vec_env() -> None:
    ours, theirs = (VecNormalize(env) for env in cart_poles())
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    ended = 0
    for _ in range(40):
        one, other = ours.step(np.ones(3, dtype=int)), theirs.step(np.ones(3, dtype=int))
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
        for i in np.flatnonzero(one[2]):
            np.testing.assert_array_equal(one[3][i]["terminal_observation"], other[3][i]["terminal_observation"])
            ended += 1
    assert ended > 3


def test_vec_monitor_writes_its_file_and_says_that_the_episodes_were_counted_before(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="already wrapped with a `Monitor`"):
        env = VecMonitor(cart_poles()[0], str(tmp_path / "log"))
    env.reset()
    lengths = []
    for _ in range(40):
        infos = env.step(np.ones(3, dtype=int))[3]
        lengths += [info["episode"]["l"] for info in infos if "episode" in info]
    env.close()
    with (tmp_path / "log.monitor.csv").open() as file:
        file.readline()
        assert [int(row["l"]) for row in csv.DictReader(file)] == lengths
    assert len(lengths) > 3


def test_eval_callback_and_evaluate_policy_give_the_same_as_on_dummy_vec_env(tmp_path: Path) -> None:
    results = []
    for i, env in enumerate(cart_poles()):
        model = PPO("MlpPolicy", env, n_steps=16, batch_size=48, device="cpu", seed=0)
        evaluation = cart_poles()[i]
        callback = EvalCallback(evaluation, eval_freq=16, n_eval_episodes=6, verbose=0, log_path=str(tmp_path / str(i)))
        model.learn(96, callback=callback)
        results.append((callback.last_mean_reward, *evaluate_policy(model, evaluation, 6, return_episode_rewards=True)))
    assert results[0] == results[1]


def test_the_logger_sees_return_and_success_on_a_wmil_env() -> None:
    env = make_batch_vec_env("wmil_envs:WMIL/PatternEcho-v0", num_envs=16, seed=0)
    model = A2C("MlpPolicy", env, device="cpu", seed=0)
    model.learn(16 * 5 * 4, log_interval=1)
    values = model.logger.name_to_value
    assert model.ep_info_buffer is not None
    assert len(model.ep_info_buffer) == 100
    mean_return = np.mean([episode["r"] for episode in model.ep_info_buffer])
    assert model.ep_success_buffer is not None
    assert np.mean(model.ep_success_buffer) == mean_return
    assert 0 < mean_return < 1
    assert isinstance(values, dict)
