from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from stable_baselines3 import DQN, PPO

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import Transitions
from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

SMALL = {"features_extractor_kwargs": {"width": 16}}
NAME = "latent_world_model"


def env() -> BatchVecEnv:
    return BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=8, horizon=3))


def ppo(**kwargs: Any) -> PPO:
    settings = {"n_steps": 6, "batch_size": 48, "n_epochs": 1, "policy_kwargs": SMALL} | kwargs
    return PPO(TransformerPolicy, env(), seed=0, device="cpu", **settings)


def dqn(**kwargs: Any) -> DQN:
    policy = {"features_extractor_class": TransformerExtractor, "net_arch": [], **SMALL}
    return DQN("MlpPolicy", env(), learning_starts=8, policy_kwargs=policy, seed=0, device="cpu", **kwargs)


def extractors(model: Any) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The parameters of the extractor, and of its moving average."""
    own, average = model.policy.learning_extractor, model.policy.auxiliary_targets[NAME]
    return [p.detach().clone() for p in own.parameters()], [p.clone() for p in average.parameters()]


@pytest.mark.parametrize("make_model", [ppo, dqn])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_one_update_changes_extractor_and_head(make_model: Any, momentum: float) -> None:
    model = attach(make_model(), [LatentWorldModelLoss(momentum=momentum, scale=1.0)])
    before = {name: tensor.clone() for name, tensor in model.policy.auxiliary_heads.state_dict().items()}
    model.learn(64, log_interval=1000)
    after = model.policy.auxiliary_heads.state_dict()
    assert before
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    assert 0.0 < model.logger.name_to_value[f"train/{NAME}_spread"] <= 1.0
    assert (NAME in model.policy.auxiliary_targets) == (momentum > 0)


def test_the_target_follows_the_extractor_by_its_momentum() -> None:
    model = attach(ppo(), [LatentWorldModelLoss(momentum=0.75)])
    start, average = extractors(model)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(start, average, strict=True))
    model.learn(48)
    changed, _ = extractors(model)
    model.learn(48, reset_num_timesteps=False)
    _, average = extractors(model)
    for first, second, mine in zip(start, changed, average, strict=True):
        torch.testing.assert_close(mine, 0.75 * first + 0.25 * second)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_no_gradient_flows_into_the_target(momentum: float, monkeypatch: Any) -> None:
    seen: list[Transitions] = []
    plain_loss = LatentWorldModelLoss.loss

    def watched(self: Any, head: Any, features: Any, transitions: Transitions) -> Any:
        seen.append(transitions)
        return plain_loss(self, head, features, transitions)

    monkeypatch.setattr(LatentWorldModelLoss, "loss", watched)
    model = attach(ppo(learning_rate=0.0), [LatentWorldModelLoss(momentum=momentum)])
    model.learn(48)
    targets = seen[0].next_features
    assert targets is not None
    assert not targets.requires_grad
    expected: Any = model.policy.extract_features(torch.as_tensor(seen[0].next_observations))
    torch.testing.assert_close(targets, expected.detach())
    assert all(parameter.grad is None for parameter in model.policy.auxiliary_targets.parameters())


def test_at_scale_zero_training_is_that_of_the_plain_model_bit_for_bit() -> None:
    plain, attached = ppo().learn(144), attach(ppo(), [LatentWorldModelLoss(scale=0.0)]).learn(144)
    expected, got = plain.policy.state_dict(), attached.policy.state_dict()
    assert all(torch.equal(expected[name], got[name]) for name in expected)


@pytest.mark.parametrize("make_model", [ppo, dqn])
def test_the_target_is_saved_and_loaded(make_model: Any, tmp_path: Path) -> None:
    model = attach(make_model(), [LatentWorldModelLoss(momentum=0.5)]).learn(96)
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model", env=env(), device="cpu")
    for mine, theirs in zip(extractors(model), extractors(loaded), strict=True):
        assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(*extractors(loaded), strict=True))
    loaded.learn(48)


def test_features_are_foreseen_without_collapse() -> None:
    model = attach(ppo(learning_rate=3e-3), [LatentWorldModelLoss(scale=1.0)])
    logged = []
    for _ in range(15):
        model.learn(48, reset_num_timesteps=False)
        logged.append(dict(model.logger.name_to_value))
    assert logged[-1][f"train/{NAME}_loss"] < 0.5 * logged[0][f"train/{NAME}_loss"]
    assert logged[-1][f"train/{NAME}_spread"] > 0.1


def test_a_momentum_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="below 1"):
        LatentWorldModelLoss(momentum=1.0)
