from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest import mock

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import Futures, Transitions
from wmil_agents.auxiliary_losses.contrastive import MOST_LOG_SHARPNESS, ContrastiveHead, ContrastiveLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.buffers.next_observation_buffer import DrawnFutures
from wmil_agents.losses.info_nce import info_nce
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

SMALL = {"features_extractor_kwargs": {"width": 16}}
SEEN: list[Transitions] = []


@dataclass(frozen=True)
class Watched(ContrastiveLoss):
    """Remembers what it was given."""

    def loss(self, head: Any, features: torch.Tensor, transitions: Transitions) -> Any:
        SEEN.append(transitions)
        return super().loss(head, features, transitions)


@pytest.fixture(autouse=True)
def _nothing_seen_yet() -> None:
    SEEN.clear()


class Counter(gym.Env[np.ndarray, int]):
    """Shows (its number, its episode, the step in it); episodes have different lengths."""

    observation_space = spaces.Box(0, 1000, (3,))
    action_space = spaces.Discrete(2)
    made = 0

    def __init__(self) -> None:
        Counter.made += 1
        self.number, self.episode, self.place = Counter.made, 0, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.episode, self.place = self.episode + 1, 0
        return self._obs(), {}

    def step(self, action: int) -> Any:
        self.place += 1
        return self._obs(), 0.0, self.place == 1 + (self.number + self.episode) % 4, False, {}

    def _obs(self) -> np.ndarray:
        return np.array([self.number, self.episode, self.place], dtype=np.float32)


class Endless(Counter):
    """One episode that does not end by itself."""

    def step(self, action: int) -> Any:
        obs, reward, _, truncated, info = super().step(action)
        return obs, reward, False, truncated, info


def no_futures() -> DrawnFutures:
    nothing = torch.zeros(0, dtype=torch.long)
    return DrawnFutures(nothing, nothing, torch.zeros(0, 3))


def env_of(kind: str) -> Any:
    if kind == "counter":
        return DummyVecEnv([Counter] * 4)
    return BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=8, horizon=4, obs=kind))


@pytest.mark.parametrize("algorithm", ["ppo", "a2c"])
def test_a_positive_is_a_later_step_of_the_anchors_own_episode(algorithm: str) -> None:
    kwargs: dict[str, Any] = {"n_steps": 16, "seed": 0, "device": "cpu", "policy_kwargs": SMALL}
    model = A2C(TransformerPolicy, env_of("counter"), **kwargs)
    if algorithm == "ppo":
        model = PPO(TransformerPolicy, env_of("counter"), batch_size=32, n_epochs=2, **kwargs)
    attach(model, [Watched(n_pairs=16), WorldModelLoss()]).learn(256)
    offsets = []
    for transitions in SEEN:
        futures = transitions.futures
        assert futures is not None
        assert isinstance(futures.observations, torch.Tensor)
        anchors = transitions.observations[futures.rows]
        assert torch.equal(anchors[:, :2], futures.observations[:, :2]), "another environment or episode"
        assert torch.equal(anchors[:, 2] + futures.offsets, futures.observations[:, 2])
        assert (futures.offsets >= 1).all()
        assert len(futures.rows.unique()) == len(futures.rows) <= 16
        offsets.extend(futures.offsets.tolist())
    assert set(offsets) == {1, 2, 3}


def test_dict_observations_have_positives_too() -> None:
    model = attach(REINFORCE("TransformerPolicy", env_of("dict"), policy_kwargs=SMALL, seed=0), [Watched()])
    model.learn(64)
    for transitions in SEEN:
        futures, now = transitions.futures, transitions.observations
        assert futures is not None
        assert isinstance(futures.observations, dict)
        assert isinstance(now, dict)
        then = now["steps_left"][futures.rows].flatten() - futures.offsets
        assert torch.equal(then, futures.observations["steps_left"].flatten().long())


@pytest.mark.parametrize("n_later", [2, 5])
def test_the_loss_is_info_nce_of_the_pairs(n_later: int) -> None:
    loss, head = ContrastiveLoss(), ContrastiveHead(6, 32)
    features, later = torch.randn(9, 6), torch.randn(n_later, 6)
    rows = torch.arange(n_later) + 2
    futures = Futures(rows, torch.ones(n_later), later, later)
    amount, metrics = loss.loss(head, features, Transitions(features, torch.zeros(9), features, futures))
    with torch.no_grad():
        cosines = torch.nn.functional.cosine_similarity(
            head.from_now(features[rows])[:, None], head.from_later(later)[None], dim=-1
        )
    torch.testing.assert_close(amount, info_nce(cosines / 0.1))
    assert float(metrics["temperature"]) == pytest.approx(0.1)
    amount.backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in head.parameters())


def test_pairs_are_learnt() -> None:
    settings = {"n_steps": 8, "batch_size": 64, "learning_rate": 3e-3, "policy_kwargs": SMALL, "seed": 0}
    model = PPO(TransformerPolicy, env_of("attributes"), device="cpu", **settings)
    attach(model, [ContrastiveLoss(scale=1.0)])
    accuracies = []
    for _ in range(8):
        model.learn(64, reset_num_timesteps=False)
        accuracies.append(model.logger.name_to_value["train/contrastive_accuracy"])
    assert accuracies[-1] > accuracies[0] + 0.15


def test_one_update_changes_extractor_and_head() -> None:
    def states(scale: float) -> dict[str, torch.Tensor]:
        model = REINFORCE("TransformerPolicy", env_of("attributes"), policy_kwargs=SMALL, seed=0)
        attach(model, [ContrastiveLoss(scale=scale)]).learn(1)
        return {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}

    without, learnt = states(0.0), states(1.0)
    changed = {name for name in learnt if not torch.equal(without[name], learnt[name])}
    for name in ("from_now.weight", "from_later.weight", "log_sharpness"):
        assert f"auxiliary_heads.contrastive.{name}" in changed
    assert "features_extractor.query" in changed


def test_at_scale_zero_nothing_is_drawn() -> None:
    model = attach(REINFORCE("TransformerPolicy", env_of("attributes"), seed=0), [ContrastiveLoss(scale=0.0)])
    before = model.policy.minibatch.rng.bit_generator.state
    model.learn(64)
    assert model.policy.minibatch.rng.bit_generator.state == before


def test_the_generator_is_part_of_the_buffers_state() -> None:
    first, second = (
        attach(REINFORCE("TransformerPolicy", env_of("attributes"), seed=seed), [ContrastiveLoss()]) for seed in (0, 1)
    )
    first.learn(64)
    second.rollout_buffer.load_state_dict(first.rollout_buffer.state_dict())
    assert first.policy.minibatch.rng.random() == second.policy.minibatch.rng.random()


def test_what_cannot_work_is_refused_in_a_sentence() -> None:
    one_step = BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=8))
    limited = TimeLimit(gym.make("CartPole-v1"), 1)
    for env in (one_step, limited):
        with pytest.raises(ValueError, match="a horizon, or a time limit, of at least 2"):
            attach(PPO(TransformerPolicy, env, n_steps=8, batch_size=8, device="cpu"), [ContrastiveLoss()])
    with pytest.raises(ValueError, match="n_steps=1 with n_envs=8 leaves fewer"):
        attach(A2C(TransformerPolicy, env_of("attributes"), n_steps=1, device="cpu"), [ContrastiveLoss()])
    with pytest.raises(ValueError, match="n_steps=2 with n_envs=1 leaves fewer"):
        attach(A2C(TransformerPolicy, "CartPole-v1", n_steps=2, device="cpu"), [ContrastiveLoss()])
    model = attach(REINFORCE("TransformerPolicy", env_of("counter"), n_steps=8), [ContrastiveLoss()])
    with pytest.raises(ValueError, match="n_pairs must be at least 2"):
        ContrastiveLoss(n_pairs=1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        ContrastiveLoss(discount=1.0)
    assert "train/contrastive_loss" in model.learn(32).logger.name_to_value


def test_another_environment_is_judged_too() -> None:
    model = attach(REINFORCE("TransformerPolicy", env_of("attributes")), [ContrastiveLoss()])
    same_spaces = gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=8, horizon=4)
    model.set_env(BatchVecEnv(same_spaces))
    assert "train/contrastive_loss" in model.learn(32).logger.name_to_value


def test_a_rollout_without_pairs_teaches_nothing() -> None:
    features = torch.randn(3, 4, requires_grad=True)
    lonely = Futures(torch.tensor([1]), torch.tensor([1]), torch.randn(1, 4), torch.randn(1, 4))
    for futures in (None, lonely):
        transitions = Transitions(features, torch.zeros(3), features, futures)
        assert ContrastiveLoss().loss(ContrastiveHead(4, 8), features, transitions) is None


def test_where_there_are_no_pairs_nothing_is_logged() -> None:
    env = DummyVecEnv([lambda: TimeLimit(Endless(), 40)])
    model = attach(A2C(TransformerPolicy, env, n_steps=4, device="cpu", policy_kwargs=SMALL), [ContrastiveLoss()])
    model.learn(4)
    told = model.logger.name_to_value
    assert "train/contrastive_loss" in told
    told.clear()
    with mock.patch.object(model.rollout_buffer, "_draw_futures", return_value=no_futures()):
        model.train()
    assert "train/value_loss" in told
    assert not [name for name in told if "contrastive" in name]


def test_a_temperature_at_its_floor_can_rise_again() -> None:
    head = ContrastiveHead(4, 8)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    with torch.no_grad():
        head.log_sharpness.fill_(9.0)
    torch.manual_seed(0)
    now, later = torch.randn(2, 6, 4)
    for _ in range(2):
        loss = info_nce(head(now, later))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert head.log_sharpness.item() < MOST_LOG_SHARPNESS
