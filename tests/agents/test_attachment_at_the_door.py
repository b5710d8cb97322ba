"""What `attach` refuses, when it does, and that a model is then as it was."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from torch import nn

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import AuxiliaryLoss, Transitions
from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
from wmil_agents.auxiliary_losses.teacher import TeacherLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

MakeEnv = Callable[..., BatchVecEnv]
SMALL = {"features_extractor_kwargs": {"width": 16}}
NOT_A_NUMBER, ENDLESS = math.nan, math.inf


def ppo(env: Any) -> PPO:
    return PPO(TransformerPolicy, env, n_steps=6, batch_size=24, policy_kwargs=dict(SMALL), seed=0, device="cpu")


def dqn(env: Any, **kwargs: Any) -> DQN:
    policy_kwargs = {"features_extractor_class": TransformerExtractor, "net_arch": [], **SMALL}
    return DQN("MlpPolicy", env, learning_starts=16, policy_kwargs=policy_kwargs, seed=0, device="cpu", **kwargs)


@dataclass(frozen=True)
class Custom(AuxiliaryLoss):
    name: str = "custom"
    scale: Any = 1.0
    metric: Any = 1.5
    is_scalar: bool = True

    def build(self, observation_space: Any, action_space: Any, features_dim: int) -> nn.Module:
        return nn.Linear(features_dim, 1)

    def loss(self, head: nn.Module, features: torch.Tensor, transitions: Transitions) -> Any:
        answers = head(features)
        return answers.mean() if self.is_scalar else answers, {"metric": self.metric}


class Handmade(Custom):
    """A loss that does not look at its settings when it is made."""

    def __post_init__(self) -> None:
        pass


@pytest.mark.parametrize("scale", [NOT_A_NUMBER, ENDLESS, -0.1, "0.1", None])
def test_a_scale_that_is_no_weight_is_refused_when_the_loss_is_made(scale: Any) -> None:
    with pytest.raises(ValueError, match="the scale of the world_model loss must be a number of at least 0"):
        WorldModelLoss(scale=scale)


@pytest.mark.parametrize("scale", [NOT_A_NUMBER, ENDLESS, -0.1, None])
def test_a_schedule_that_gives_no_weight_is_refused_before_it_is_used(make_env: MakeEnv, scale: Any) -> None:
    model = ppo(make_env())
    with pytest.raises(ValueError, match="the scale of the world_model loss must be a number of at least 0"):
        attach(model, [WorldModelLoss(scale=lambda progress: scale)])
    assert type(model.policy) is TransformerPolicy


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: WorldModelLoss(n_replayed=-1), "n_replayed must be at least 0, not -1"),
        (lambda: WorldModelLoss(n_replayed=1.5), "n_replayed must be an integer, not 1.5"),  # type: ignore[arg-type]
        (lambda: WorldModelLoss(hidden_width=0), "hidden_width must be at least 1, not 0"),
        (lambda: LatentWorldModelLoss(hidden_width=-3), "hidden_width must be at least 1, not -3"),
        (lambda: LatentWorldModelLoss(momentum=1.0), "momentum must be at least 0 and below 1"),
        (lambda: ContrastiveLoss(width=0), "width must be at least 1, not 0"),
        (lambda: ContrastiveLoss(n_pairs=1), "n_pairs must be at least 2, not 1"),
        (lambda: ContrastiveLoss(discount=NOT_A_NUMBER), "discount must be between 0 and 1"),
        (lambda: TeacherLoss(temperature=ENDLESS), "temperature must be a number above 0"),
        (lambda: WorldModelLoss(name="value"), "would overwrite train/value_loss"),
        (lambda: WorldModelLoss(name="a b"), "'a b' cannot name an auxiliary loss"),
    ],
)
def test_settings_that_make_no_sense_are_refused_when_the_loss_is_made(
    make: Callable[[], AuxiliaryLoss], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        make()


@pytest.mark.parametrize("make_model", [ppo, dqn])
def test_a_loss_that_did_not_look_at_its_settings_is_looked_at_when_attached(
    make_env: MakeEnv, make_model: Callable[..., Any]
) -> None:
    model = make_model(make_env())
    with pytest.raises(ValueError, match="the scale of the custom loss"):
        attach(model, [Handmade(scale=NOT_A_NUMBER)])


@pytest.mark.parametrize(
    ("losses", "complaint"),
    [
        (WorldModelLoss(), r"attach takes a list of losses"),
        ("world_model", r"attach takes a list of losses"),
        ([WorldModelLoss], r"is no auxiliary loss: write WorldModelLoss\(\)"),
        (["world_model"], r"'world_model' is no auxiliary loss"),
    ],
)
def test_what_is_no_list_of_losses_is_refused(make_env: MakeEnv, losses: Any, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        attach(ppo(make_env()), losses)


class Unbuildable(Custom):
    def build(self, observation_space: Any, action_space: Any, features_dim: int) -> nn.Module:
        raise RuntimeError("no head today")


@pytest.mark.parametrize("make_model", [ppo, dqn])
def test_whatever_goes_wrong_the_model_is_as_it_was(make_env: MakeEnv, make_model: Callable[..., Any]) -> None:
    model = make_model(make_env())
    plain = type(model.policy)
    with pytest.raises(RuntimeError, match="no head today"):
        attach(model, [Unbuildable()])
    assert type(model.policy) is plain
    attach(model, [Custom()]).learn(64)
    assert "train/custom_loss" in model.logger.name_to_value


def test_a_metric_may_be_a_plain_number(make_env: MakeEnv) -> None:
    model = attach(ppo(make_env()), [Custom()]).learn(48)
    assert model.logger.name_to_value["train/custom_metric"] == 1.5


def test_a_loss_for_each_row_is_refused(make_env: MakeEnv) -> None:
    with pytest.raises(ValueError, match=r"the custom loss must be a scalar, not of shape \(24, 1\)"):
        attach(ppo(make_env()), [Custom(is_scalar=False)]).learn(48)


def test_a_model_is_not_loaded_into_an_environment_that_its_loss_cannot_learn_from(
    make_env: MakeEnv, tmp_path: Path
) -> None:
    long, short = {"horizon": 4, "time_aware": False}, {"horizon": 1, "time_aware": False}
    model = attach(ppo(make_env(**long)), [ContrastiveLoss()])
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="every episode is one step long"):
        type(model).load(tmp_path / "model", env=make_env(**short), device="cpu")
    loaded = PPO.load(tmp_path / "model", env=make_env(**short), device="cpu")
    with pytest.raises(ValueError, match="every episode is one step long"):
        attach(loaded)


def test_a_model_without_a_policy_is_refused(make_env: MakeEnv) -> None:
    with pytest.raises(ValueError, match="no policy yet: make it without _init_setup_model=False"):
        attach(PPO(TransformerPolicy, make_env(), _init_setup_model=False), [WorldModelLoss()])


def test_a_buffer_whose_next_observations_are_others_is_refused(make_env: MakeEnv, tmp_path: Path) -> None:
    saving = {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}
    ahead = {"replay_buffer_class": NStepReplayBuffer, "replay_buffer_kwargs": {"n_steps": 3, "gamma": 0.99}}
    cases = ((saving, "next episode's first"), (ahead, "n_steps=3 the replay buffer's next observations"))
    for kwargs, complaint in cases:
        model = dqn(make_env(), **kwargs)
        with pytest.raises(ValueError, match=complaint):
            attach(model, [WorldModelLoss()])
        model.save_replay_buffer(tmp_path / "buffer")
        good = attach(dqn(make_env()), [WorldModelLoss()])
        own = good.replay_buffer
        with pytest.raises(ValueError, match=complaint):
            good.load_replay_buffer(tmp_path / "buffer")
        assert good.replay_buffer is own


def test_a_replay_buffer_without_next_observations_is_refused_before_heads_are_made(make_env: MakeEnv) -> None:
    env = make_env()
    env.get_attr("world")[0].may_leave_unjudged = True
    buffer = {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}}
    model = dqn(env, replay_buffer_class=ReplayBuffer, **buffer)
    with pytest.raises(ValueError, match="optimize_memory_usage=True"):
        attach(model, [WorldModelLoss()])
    assert not hasattr(model.policy, "auxiliary_heads")
