from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.all_actions import AllActionsLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

MakeEnv = Callable[..., BatchVecEnv]
SMALL: dict[str, Any] = {"policy_kwargs": {"features_extractor_kwargs": {"width": 16}}}
STILL: dict[str, Any] = {"learning_rate": 0.0, "max_grad_norm": 1e9}
DECISIONS = torch.tensor([[symbol, 0, 0] for symbol in range(8)])


@pytest.fixture
def make_telling_env(make_env: MakeEnv) -> MakeEnv:
    """Environments that say what every action would earn."""
    return lambda n_envs=8, **kwargs: make_env(n_envs, **{"reveals_all_actions": True} | kwargs)


def reinforce(env: Any, **kwargs: Any) -> REINFORCE:
    return REINFORCE("TransformerPolicy", env, device="cpu", **{"seed": 0, "all_actions": True} | SMALL | kwargs)


def gradients(model: REINFORCE) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.policy.named_parameters() if p.grad is not None}


def weights(model: REINFORCE) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.policy.parameters()])


@pytest.mark.parametrize("n_envs", [8, 64])
@pytest.mark.parametrize("horizon", [1, 3])
def test_the_gradient_is_the_expectation_of_the_sampled_one_over_all_actions(
    make_telling_env: MakeEnv, n_envs: int, horizon: int
) -> None:
    env = make_telling_env(n_envs, horizon=horizon, dynamics="fresh")
    model = reinforce(env, gamma=1.0 if horizon == 1 else 0.0, n_steps=horizon + 1, **STILL).learn(1)
    attained, policy = gradients(model), model.policy
    obs = torch.as_tensor(model.rollout_buffer.observations)
    scores = torch.eye(8)[obs[:, 0].long()]  # the rule: the symbol shown is right, all else is wrong
    policy.zero_grad()
    for action in range(8):
        log_prob = policy.get_distribution(obs).log_prob(torch.full((len(obs),), action))
        probability = log_prob.exp().detach()
        (-probability * (scores[:, action] - 0.25) * log_prob).mean().backward()  # any baseline: it cancels
    assert max(float(gradient.abs().max()) for gradient in attained.values()) > 1e-3
    for name, parameter in policy.named_parameters():
        if parameter.grad is not None and name in attained:
            # 32-bit floats, added in the order of actions here and of rows there
            torch.testing.assert_close(attained[name], parameter.grad, atol=1e-6, rtol=1e-4)


def test_it_vanishes_at_a_deterministic_optimal_policy(make_telling_env: MakeEnv) -> None:
    model = reinforce(make_telling_env()).learn(400)
    with torch.no_grad():
        for parameter in model.policy.action_net.parameters():
            parameter *= 1_000.0
        assert model.policy.get_distribution(DECISIONS).distribution.probs.diagonal().min() == 1.0
    model.learn(8)
    assert all(not gradient.any() for gradient in gradients(model).values())


class Solved(BaseCallback):
    """Stops at 95 % exact success."""

    def _on_rollout_start(self) -> None:
        with torch.no_grad():
            self.success = float(self.model.policy.get_distribution(DECISIONS).distribution.probs.diagonal().mean())

    def _on_step(self) -> bool:
        return self.success < 0.95


@pytest.mark.parametrize("seed", range(3))
def test_it_learns_in_fewer_steps_than_the_sampled_one(make_telling_env: MakeEnv, seed: int) -> None:
    steps = [
        reinforce(make_telling_env(), seed=seed, all_actions=all_actions, policy_kwargs={})
        .learn(2_000, Solved())
        .num_timesteps
        for all_actions in (True, False)
    ]
    assert steps[0] <= 120
    assert 1.5 * steps[0] < steps[1]


def test_nothing_is_learnt_from_rewards_and_all_from_scores(
    make_telling_env: MakeEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = weights(reinforce(make_telling_env()).learn(80))
    step_wait = BatchVecEnv.step_wait

    def without_rewards(env: BatchVecEnv) -> Any:
        obs, rewards, dones, infos = step_wait(env)
        return obs, 0.0 * rewards, dones, infos

    monkeypatch.setattr(BatchVecEnv, "step_wait", without_rewards)
    assert torch.equal(told, weights(reinforce(make_telling_env()).learn(80)))
    monkeypatch.setattr(BatchVecEnv, "action_scores", lambda env: np.zeros((env.num_envs, 8)))
    untold = reinforce(make_telling_env())
    before = weights(untold)
    assert torch.equal(before, weights(untold.learn(80)))


def test_every_update_says_so(make_telling_env: MakeEnv) -> None:
    logged = reinforce(make_telling_env()).learn(8).logger.name_to_value
    assert logged["train/all_actions"] == logged["train/uses_teacher"] == 1
    assert logged["train/all_actions_loss"] == pytest.approx(-1 / 8, abs=0.01)
    assert logged["train/policy_loss"] == 0.0
    assert not {"train/baseline", "train/complete_share"} & logged.keys()
    assert "train/all_actions" not in reinforce(make_telling_env(), all_actions=False).learn(8).logger.name_to_value


def test_other_losses_are_attached_beside_it(make_telling_env: MakeEnv) -> None:
    plain = reinforce(make_telling_env()).learn(80)
    model = attach(reinforce(make_telling_env()), [WorldModelLoss(scale=0.0)]).learn(80)
    assert torch.equal(weights(plain), weights(model)[: len(weights(plain))])
    model = attach(reinforce(make_telling_env()), [WorldModelLoss()]).learn(80)
    assert {"train/world_model_loss", "train/all_actions_loss"} <= model.logger.name_to_value.keys()
    assert not torch.equal(weights(plain), weights(model)[: len(weights(plain))])
    with pytest.raises(ValueError, match="already"):
        attach(model, [WorldModelLoss(name="second")])


def test_a_saved_model_is_loaded_and_goes_on(make_telling_env: MakeEnv, tmp_path: Path) -> None:
    reinforce(make_telling_env()).learn(80).save(tmp_path / "model")
    loaded = REINFORCE.load(tmp_path / "model", env=make_telling_env(), device="cpu")
    assert loaded.policy.auxiliary_losses == (AllActionsLoss(),)
    assert loaded.learn(80).logger.name_to_value["train/all_actions"] == 1
    assert REINFORCE.load(tmp_path / "model", device="cpu").predict(DECISIONS[3].numpy())[0].shape == ()
    with pytest.raises(ValueError, match="these episodes have 2 steps"):
        REINFORCE.load(tmp_path / "model", env=make_telling_env(horizon=2, time_aware=False), device="cpu")
    with pytest.raises(ValueError, match="reveals_all_actions=True"):
        REINFORCE.load(tmp_path / "model", env=make_telling_env(reveals_all_actions=False), device="cpu")


class TwoActions(gym.ActionWrapper[Any, Any, Any]):
    """PatternEcho with an action of two numbers, of which the first counts."""

    def __init__(self) -> None:
        super().__init__(gym.make("wmil_envs:WMIL/PatternEcho-v0", reveals_all_actions=True))
        self.action_space = spaces.MultiDiscrete([8, 2])

    def action(self, action: Any) -> Any:
        return action[0]


@pytest.mark.parametrize(
    ("env_arguments", "arguments", "sentence"),
    [
        ({"reveals_all_actions": False}, {}, "reveals that of the chosen one only: make it with reveals_all_actions"),
        ({"horizon": 3}, {}, r"these episodes have 3 steps: pass gamma=0\.0, or leave all_actions out"),
        ({}, {"event_replay": True}, "event_replay adds nothing: leave it out"),
        ({}, {"baseline": "none"}, "baseline='none' is of returns, and all_actions=True uses none: leave it out"),
        ({}, {"baseline": "learned"}, "baseline='learned' is of returns"),
        ({}, {"baseline": "leave_one_out"}, "baseline='leave_one_out' is of returns"),
        ({}, {"policy": "MlpPolicy", "policy_kwargs": {}}, "FlattenExtractor has nothing to learn"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(
    make_telling_env: MakeEnv, env_arguments: dict[str, Any], arguments: dict[str, Any], sentence: str
) -> None:
    settings = {"policy": "TransformerPolicy", "all_actions": True, "device": "cpu", **SMALL} | arguments
    with pytest.raises(ValueError, match=sentence):
        REINFORCE(env=make_telling_env(**env_arguments), **settings)


def test_environments_of_others_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="all_actions is for Discrete actions"):
        reinforce(DummyVecEnv([TwoActions]))
    with pytest.raises(ValueError, match="this environment has no action_scores"):
        reinforce("CartPole-v1", gamma=0.0)


def test_a_model_is_not_moved_to_an_environment_that_tells_less(make_telling_env: MakeEnv) -> None:
    model = reinforce(make_telling_env())
    with pytest.raises(ValueError, match="reveals_all_actions=True"):
        model.set_env(make_telling_env(reveals_all_actions=False))
    with pytest.raises(ValueError, match="these episodes have 2 steps"):
        model.set_env(make_telling_env(horizon=2))
    model.set_env(make_telling_env())
    model.learn(8)
