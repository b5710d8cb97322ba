"""Episodes are played as the algorithm would play them: with memory, masks, normalised observations, images."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from small_envs import Walk
from wmil_agents.evaluation import sampled
from wmil_agents.evaluation.evaluate import evaluate
from wmil_agents.evaluation.sampled import play_episodes


class OnlyTheFirst(gym.Env[Any, Any]):
    """Episodes of two steps, each worth 1 for action 0; the mask allows nothing else."""

    observation_space = gym.spaces.Box(0, 2, (1,))
    action_space = gym.spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.n_steps = 0
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action: Any) -> Any:
        self.n_steps += 1
        return np.full(1, self.n_steps, dtype=np.float32), float(action == 0), self.n_steps == 2, False, {}

    def action_masks(self) -> Any:
        return np.arange(4) == 0


class Picture(gym.Env[Any, Any]):
    """A grey picture, channels last."""

    observation_space = gym.spaces.Box(0, 255, (36, 36, 1), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        return np.zeros((36, 36, 1), dtype=np.uint8), {}

    def step(self, action: Any) -> Any:
        return np.zeros((36, 36, 1), dtype=np.uint8), 1.0, True, False, {}


def test_a_recurrent_policy_keeps_its_memory_within_an_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    env = DummyVecEnv([OnlyTheFirst] * 2)
    model = RecurrentPPO("MlpLstmPolicy", env, n_steps=8, batch_size=8, device="cpu", seed=0)
    given: list[tuple[Any, Any]] = []
    plain = model.predict

    def predict(observations: Any, state: Any = None, starts: Any = None, *args: Any, **kwargs: Any) -> Any:
        given.append((state, None if starts is None else starts.tolist()))
        return plain(observations, state, starts, *args, **kwargs)

    monkeypatch.setattr(model, "predict", predict)
    play_episodes(model, env, 4, seed=0)
    assert [state is None for state, _ in given] == [True, False, False, False]
    assert [starts for _, starts in given] == [[True, True], [False, False], [True, True], [False, False]]


def test_a_maskable_policy_is_told_the_masks() -> None:
    env = DummyVecEnv([OnlyTheFirst] * 2)
    model = MaskablePPO("MlpPolicy", env, n_steps=8, batch_size=8, device="cpu", seed=0)
    assert play_episodes(model, env, 20, seed=0).returns == [2.0] * 20


def test_a_normalizer_learns_nothing_and_returns_are_the_environments_own() -> None:
    env = VecNormalize(DummyVecEnv([Walk] * 2))
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=8, device="cpu", seed=0).learn(64)
    before = env.obs_rms.mean.copy(), env.obs_rms.count, env.ret_rms.var.copy()
    returns = play_episodes(model, env, 20, seed=0).returns
    assert max(returns) < -1.0, "five steps, each with a reward of -1 or so: normalised ones would sum up to less"
    bare = play_episodes(model, VecNormalize(DummyVecEnv([Walk] * 2), training=False, norm_obs=False), 20, seed=0)
    assert np.mean(returns) == pytest.approx(np.mean(bare.returns), rel=0.5)
    np.testing.assert_array_equal(env.obs_rms.mean, before[0])
    assert (env.obs_rms.count, env.ret_rms.var, env.training) == (before[1], before[2], True)


def test_pictures_are_turned_as_for_predict() -> None:
    env = DummyVecEnv([Picture] * 2)
    model = PPO("CnnPolicy", env, n_steps=4, batch_size=4, device="cpu", seed=0)
    evaluation = evaluate(model, env, n_episodes=4, seed=0)
    assert 0.0 < float(evaluation.entropy.value) <= np.log(2) + 1e-6


def test_an_accelerators_generator_is_left_as_it_was_too(monkeypatch: pytest.MonkeyPatch) -> None:
    forked: list[Any] = []
    plain = torch.random.fork_rng

    def fork_rng(devices: Any) -> Any:
        forked.append(list(devices))
        return plain(devices=[])

    monkeypatch.setattr(torch.random, "fork_rng", fork_rng)
    for device in ("cpu", "cuda"):
        model: Any = SimpleNamespace(device=torch.device(device), action_space=gym.spaces.Discrete(2))
        with sampled._own_draws(model, 0):
            pass
    assert forked == [[], [torch.device("cuda")]]
