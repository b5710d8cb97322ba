from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

from wmil_agents.attached_policy import AttachedPolicy
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import Transitions
from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor

contrib = pytest.importorskip("sb3_contrib")

SCALE = 0.3
EXTRACTOR = {"features_extractor_class": TransformerExtractor, "features_extractor_kwargs": {"width": 16}}
SETTINGS: dict[str, Any] = {"n_steps": 8, "batch_size": 16, "n_epochs": 2, "seed": 0, "device": "cpu"}


class HalfForbidden(gym.Wrapper[Any, Any, Any, Any]):
    """PatternEcho in which the lower half of the actions, or the upper, is allowed, as the right one demands."""

    def action_masks(self) -> Any:
        return np.arange(8) // 4 == int(self.last[0]) // 4

    def reset(self, **kwargs: Any) -> Any:
        self.last, info = self.env.reset(**kwargs)
        return self.last, info

    def step(self, action: Any) -> Any:
        self.last, *rest = self.env.step(action)
        return self.last, *rest


def env() -> DummyVecEnv:
    return DummyVecEnv([lambda: HalfForbidden(gym.make("wmil_envs:WMIL/PatternEcho-v0", horizon=3))] * 4)


def recurrent(**kwargs: Any) -> Any:
    policy = {"net_arch": [], "ortho_init": False, "lstm_hidden_size": 8, **EXTRACTOR}
    return contrib.RecurrentPPO("MlpLstmPolicy", env(), **SETTINGS | {"policy_kwargs": policy} | kwargs)


def maskable(**kwargs: Any) -> Any:
    policy = {"net_arch": [], "ortho_init": False, **EXTRACTOR}
    return contrib.MaskablePPO("MlpPolicy", env(), **SETTINGS | {"policy_kwargs": policy} | kwargs)


MAKERS = pytest.mark.parametrize("make_model", [recurrent, maskable])
MakeModel = Callable[..., Any]


def states(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}


@MAKERS
def test_at_scale_zero_training_is_that_of_the_plain_model_bit_for_bit(make_model: MakeModel) -> None:
    plain = make_model().learn(96)
    attached = attach(make_model(), [WorldModelLoss(scale=0.0), ContrastiveLoss(scale=0.0)]).learn(96)
    expected, got = states(plain), states(attached)
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert all(parameter.grad is None for parameter in attached.policy.auxiliary_heads.parameters())


@MAKERS
def test_one_update_changes_extractor_and_every_head(make_model: MakeModel) -> None:
    plain = make_model().learn(1)
    model = attach(make_model(), [WorldModelLoss(scale=SCALE), ContrastiveLoss(scale=SCALE)])
    before = states(model)
    model.learn(1)
    after, without = states(model), states(plain)
    heads = [name for name in after if name.startswith("auxiliary_heads")]
    assert {name.split(".")[1] for name in heads} == {"world_model", "contrastive"}
    assert [name for name in heads if torch.equal(before[name], after[name])] == []
    assert not torch.equal(after["features_extractor.query"], without["features_extractor.query"])


@MAKERS
def test_the_gradient_is_the_plain_one_plus_the_scaled_loss(make_model: MakeModel, monkeypatch: Any) -> None:
    """The loss by hand: of the rollout's own arrays, none of which went through a minibatch or a padded sequence."""
    still = {"learning_rate": 0.0, "max_grad_norm": 1e9, "n_epochs": 1, "batch_size": 32}
    loss = WorldModelLoss(scale=SCALE, n_replayed=0)

    def gradients(carries: bool) -> tuple[Any, dict[str, torch.Tensor]]:
        model = attach(make_model(**still), [loss])
        with monkeypatch.context() as patch:
            if not carries:
                patch.setattr("wmil_agents.auxiliary_heads.carry_loss", lambda values, weighted: values)
            model.learn(1)
        named = model.policy.named_parameters()
        return model, {name: p.grad.clone() for name, p in named if p.grad is not None}

    (_, joint), (model, plain) = gradients(True), gradients(False)
    policy, buffer = model.policy, model.rollout_buffer
    assert isinstance(policy, AttachedPolicy)
    policy.zero_grad()
    obs, actions, following = buffer.observations, buffer.actions.flatten(), buffer.next_observations
    parts = (torch.as_tensor(part) for part in (obs, actions, following))
    transitions = Transitions(*parts)
    features: Any = policy.extract_features(transitions.observations)
    amount, _ = loss.loss(policy.auxiliary_heads["world_model"], features, transitions)
    (SCALE * amount).backward()
    for name, parameter in policy.named_parameters():
        if name in joint:
            own = plain.get(name, torch.zeros_like(parameter))
            by_hand = own if parameter.grad is None else own + parameter.grad
            torch.testing.assert_close(joint[name], by_hand, atol=2e-6, rtol=1e-4)
    assert any(name.startswith("auxiliary_heads") for name in joint)


@MAKERS
def test_next_observations_follow_their_own_observations(make_model: MakeModel, monkeypatch: Any) -> None:
    seen: list[Transitions] = []
    plain_loss = WorldModelLoss.loss

    def watched(self: Any, head: Any, features: Any, transitions: Transitions) -> Any:
        seen.append(transitions)
        return plain_loss(self, head, features, transitions)

    monkeypatch.setattr(WorldModelLoss, "loss", watched)
    attach(make_model(), [WorldModelLoss(n_replayed=3)]).learn(96)
    n_rows = {len(transitions.actions) for transitions in seen}
    assert n_rows == {19}, "16 steps and 3 replayed, no padding"
    for transitions in seen:
        now, then = torch.as_tensor(transitions.observations), torch.as_tensor(transitions.next_observations)
        assert torch.equal(then[:, 1].long(), transitions.actions + 1), "the action taken"
        assert torch.equal(now[:, 3] - 1, then[:, 3]), "one step fewer is left"


@MAKERS
def test_positives_are_later_steps_of_the_same_episode(make_model: MakeModel, monkeypatch: Any) -> None:
    seen: list[Transitions] = []
    plain_loss = ContrastiveLoss.loss

    def watched(self: Any, head: Any, features: Any, transitions: Transitions) -> Any:
        seen.append(transitions)
        return plain_loss(self, head, features, transitions)

    monkeypatch.setattr(ContrastiveLoss, "loss", watched)
    attach(make_model(), [ContrastiveLoss()]).learn(96)
    for transitions in seen:
        futures = transitions.futures
        assert futures is not None
        now, then = torch.as_tensor(transitions.observations)[futures.rows], torch.as_tensor(futures.observations)
        assert torch.equal(now[:, 3] - futures.offsets, then[:, 3])
        assert torch.equal(now[:, 0], then[:, 0]), "the symbol stays the same within an episode"


@MAKERS
def test_a_loaded_model_goes_on_learning(make_model: MakeModel, tmp_path: Path) -> None:
    model = attach(make_model(), [WorldModelLoss()]).learn(32)
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model", env=env(), device="cpu")
    expected, got = states(model), states(loaded)
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    loaded.learn(32)
    assert "train/world_model_loss" in loaded.logger.name_to_value


@MAKERS
def test_a_model_loaded_by_the_stock_class_says_what_to_do(make_model: MakeModel, tmp_path: Path) -> None:
    model = attach(make_model(), [WorldModelLoss()]).learn(32)
    model.save(tmp_path / "model")
    stock = contrib.RecurrentPPO if make_model is recurrent else contrib.MaskablePPO
    loaded = stock.load(tmp_path / "model", env=env(), device="cpu")
    with pytest.raises(RuntimeError, match=r"call attach\(model\)"):
        loaded.learn(32)
    attach(loaded)
    assert "train/world_model_loss" in loaded.learn(32).logger.name_to_value


def test_attaching_imports_no_sb3_contrib() -> None:
    program = (
        "import sys; from stable_baselines3 import PPO; from wmil_agents import *\n"
        "attach(PPO(TransformerPolicy, 'wmil_envs:WMIL/PatternEcho-v0', device='cpu'), [WorldModelLoss()])\n"
        "print('sb3_contrib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
