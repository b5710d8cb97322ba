from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import Transitions
from wmil_agents.auxiliary_losses.teacher import TeacherLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.losses.soft_target import soft_target_divergence
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

ID = "wmil_envs:WMIL/PatternEcho-v0"
SMALL = {"features_extractor_kwargs": {"width": 16}}


def env(kind: str = "batch", **kwargs: Any) -> Any:
    kwargs = {"reveals_all_actions": True, "horizon": 3} | kwargs
    if kind == "dummy":
        return DummyVecEnv([lambda: gym.make(ID, **kwargs)] * 4)
    batch = BatchVecEnv(gym.make_vec(ID, num_envs=4, **kwargs))
    return VecMonitor(batch) if kind == "monitor" else batch


def ppo(venv: Any, **kwargs: Any) -> PPO:
    settings = {"n_steps": 6, "batch_size": 12, "n_epochs": 1, "policy_kwargs": SMALL} | kwargs
    return PPO(TransformerPolicy, venv, seed=0, device="cpu", **settings)


@pytest.mark.filterwarnings("ignore:.*already wrapped with a.*Monitor:UserWarning")
@pytest.mark.parametrize(
    ("kind", "recurrent"), [("batch", False), ("dummy", False), ("monitor", False), ("monitor", True)]
)
def test_the_right_action_of_its_own_row_has_the_best_score(kind: str, recurrent: bool, monkeypatch: Any) -> None:
    seen: list[Transitions] = []
    plain_loss = TeacherLoss.loss

    def watched(self: Any, head: Any, features: Any, transitions: Transitions) -> Any:
        seen.append(transitions)
        return plain_loss(self, head, features, transitions)

    monkeypatch.setattr(TeacherLoss, "loss", watched)
    model: Any = ppo(env(kind, dynamics="fresh"))
    if recurrent:
        extractor = {"features_extractor_class": TransformerExtractor, **SMALL, "ortho_init": False}
        venv = env(kind, dynamics="fresh")
        model = RecurrentPPO("MlpLstmPolicy", venv, n_steps=6, batch_size=12, policy_kwargs=extractor, device="cpu")
    attach(model, [TeacherLoss(), WorldModelLoss()]).learn(72)
    assert seen
    for transitions in seen:
        assert transitions.action_scores is not None
        assert transitions.log_probs is not None
        symbols = torch.as_tensor(transitions.observations)[:, 0].long()
        assert torch.equal(transitions.action_scores.argmax(1), symbols)
        torch.testing.assert_close(transitions.log_probs.exp().sum(1), torch.ones(12))
    assert model.logger.name_to_value["train/uses_teacher"] == 1


def test_the_gradient_is_that_of_the_divergence() -> None:
    still = {"learning_rate": 0.0, "max_grad_norm": 1e9, "gamma": 0.0, "vf_coef": 0.0}
    model = attach(A2C(TransformerPolicy, env(), n_steps=6, seed=0, device="cpu", policy_kwargs=SMALL, **still),
                   [TeacherLoss(scale=0.5)])  # fmt: skip
    model.learn(1)
    joint = {name: p.grad.clone() for name, p in model.policy.named_parameters() if p.grad is not None}
    policy, buffer = model.policy, model.rollout_buffer
    policy.zero_grad()
    obs, actions = torch.as_tensor(buffer.observations), torch.as_tensor(buffer.actions.flatten())
    distribution: Any = policy.get_distribution(obs).distribution
    scores = torch.as_tensor(buffer.action_scores).reshape(len(obs), -1)
    gain = (torch.as_tensor(buffer.advantages.flatten()) * distribution.log_prob(actions)).mean()
    (0.5 * soft_target_divergence(distribution.logits, scores, 0.1) - gain).backward()
    for name, parameter in policy.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(joint[name], parameter.grad, atol=1e-6, rtol=1e-4)


def test_at_scale_zero_training_is_that_of_the_plain_model_bit_for_bit() -> None:
    plain, attached = ppo(env()).learn(96), attach(ppo(env()), [TeacherLoss(scale=0.0)]).learn(96)
    expected, got = plain.policy.state_dict(), attached.policy.state_dict()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert "train/uses_teacher" not in attached.logger.name_to_value


def test_a_taught_policy_soon_agrees() -> None:
    model = attach(ppo(env(horizon=1), learning_rate=1e-2, n_steps=12), [TeacherLoss()])
    model.learn(1200)
    assert model.logger.name_to_value["train/teacher_agreement"] > 0.95


@pytest.mark.parametrize(
    ("make_model", "sentence"),
    [
        (lambda: ppo(env(reveals_all_actions=False)), "reveals_all_actions=True"),
        (lambda: ppo(env("dummy", reveals_all_actions=False)), "reveals_all_actions=True"),
        (lambda: PPO(TransformerPolicy, "CartPole-v1", device="cpu"), "has no action_scores"),
        (lambda: A2C(TransformerPolicy, "Pendulum-v1", device="cpu"), "has no action_scores"),
        (
            lambda: DQN("MlpPolicy", env(), policy_kwargs={"features_extractor_class": TransformerExtractor}),
            "a replay buffer does not keep",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(make_model: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        attach(make_model(), [TeacherLoss()])


def test_a_model_is_not_moved_to_an_environment_that_cannot_teach() -> None:
    model = attach(REINFORCE("TransformerPolicy", env(), policy_kwargs=SMALL), [TeacherLoss()])
    with pytest.raises(ValueError, match="reveals_all_actions=True"):
        model.set_env(env(reveals_all_actions=False))


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        TeacherLoss(temperature=0.0)
