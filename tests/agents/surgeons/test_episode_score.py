from __future__ import annotations

import random
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from torch import nn

from wmil_agents import TransformerPolicy
from wmil_agents.surgeons import EpisodeScore, Patient, SurgeryEnv, mean_score
from wmil_agents.surgery import Gains, SurgicalTheater

SMALL: dict[str, Any] = {"features_extractor_kwargs": {"width": 16, "n_layers": 1, "n_heads": 2}}


@pytest.fixture(scope="module")
def ppo() -> PPO:
    model = PPO(TransformerPolicy, "CartPole-v1", policy_kwargs=SMALL, seed=0, device="cpu", n_steps=64)
    with torch.no_grad():
        model.policy.action_net.weight.mul_(100.0)
    return model


def test_the_same_episodes_are_played_every_time(ppo: PPO) -> None:
    score = EpisodeScore("CartPole-v1", n_episodes=8, seed=5)
    first = score(ppo)
    assert first.shape == (8,)
    assert (first == score(ppo)).all()
    assert (first == EpisodeScore("CartPole-v1", n_episodes=8, seed=5)(ppo.policy)).all()
    assert (first != EpisodeScore("CartPole-v1", n_episodes=8, seed=50)(ppo)).any()
    assert mean_score(score, ppo) == pytest.approx(first.mean())


def test_an_episode_does_not_depend_on_how_long_the_others_last(ppo: PPO) -> None:
    """Action draws stay with their episodes, so a change of the model is compared draw by draw."""
    limits = iter([3, *[500] * 7])
    mixed = EpisodeScore(lambda: gym.make("CartPole-v1", max_episode_steps=next(limits)), n_episodes=8, seed=5)
    plain = EpisodeScore("CartPole-v1", n_episodes=8, seed=5)(ppo)
    assert plain[0] > 3
    assert mixed(ppo).tolist() == [3.0, *plain[1:]]
    cut = EpisodeScore("CartPole-v1", n_episodes=8, seed=5, max_steps=12)(ppo)
    assert (cut == np.minimum(plain, 12)).all()


def test_generators_and_training_flags_are_left_alone(ppo: PPO) -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  # the global generator is what must be left alone
    torch.manual_seed(1)
    ppo.policy.train()
    ppo.policy.features_extractor.eval()
    EpisodeScore("CartPole-v1", n_episodes=2)(ppo)
    assert ppo.policy.training
    assert not ppo.policy.features_extractor.training
    drawn = random.random(), np.random.random(), float(torch.rand(()))  # noqa: NPY002 (the global generator is what is tested)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 (the global generator is what is tested)
    torch.manual_seed(1)
    assert drawn == (random.random(), np.random.random(), float(torch.rand(())))  # noqa: NPY002 (the global generator is what is tested)


def test_the_observations_are_those_that_were_met_first(ppo: PPO) -> None:
    score = EpisodeScore("CartPole-v1", n_episodes=3, seed=5, n_observations=10)
    with pytest.raises(RuntimeError, match="score a model first"):
        score.observations  # noqa: B018 (asking for it is what is tested)
    score(ppo)
    first = score.observations
    assert first.shape == (10, 4)
    start, _ = gym.make("CartPole-v1").reset(seed=5)
    assert (first[0] == start).all()
    with SurgicalTheater(ppo, Gains("*", 2.0)):
        score(ppo)
    assert score.observations is first
    other = EpisodeScore("CartPole-v1", n_episodes=3, seed=5, n_observations=10)
    other.load_state_dict(score.state_dict())
    assert other.observations is first


def test_dict_observations_and_continuous_actions_are_played() -> None:
    dicts = partial(gym.make, "wmil_envs:WMIL/PatternEcho-v0", obs="dict", horizon=3)
    model = PPO(TransformerPolicy, dicts(), policy_kwargs=SMALL, device="cpu", n_steps=8, batch_size=8)
    score = EpisodeScore(dicts, n_episodes=4)
    assert ((score(model) >= 0) & (score(model) <= 3)).all()
    assert set(score.observations) == {"symbol", "last_action", "feedback", "steps_left"}
    swing = PPO("MlpPolicy", "Pendulum-v1", device="cpu", n_steps=8, batch_size=8)
    pendulum = EpisodeScore("Pendulum-v1", n_episodes=2, max_steps=5)
    assert (pendulum(swing) == pendulum(swing)).all()
    pendulum.close()
    assert np.isfinite(pendulum(swing)).all()


def test_surgery_on_cart_pole(ppo: PPO) -> None:
    search, decision, held_out = (EpisodeScore("CartPole-v1", n_episodes=4, seed=seed) for seed in (0, 100, 200))
    env = SurgeryEnv(Patient(ppo, search, decision, held_out), n_edits=2, reward_scale=1.0, keep_rule=0.05)
    observation, begun = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    rewards = [env.step(np.full(env.action_space.shape, 0.9, np.float32)) for _ in range(2)]
    end = rewards[-1][4]
    assert sum(reward for _, reward, *_ in rewards) == pytest.approx(end["search_score"] - begun["search_score"])
    assert {"held_out", "kept", "p_value"} <= set(end)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="n_episodes must be at least 1, not 0"):
        EpisodeScore("CartPole-v1", n_episodes=0)
    with pytest.raises(TypeError, match="played by a policy of Stable-Baselines3, not by Linear"):
        EpisodeScore("CartPole-v1")(nn.Linear(4, 2))
