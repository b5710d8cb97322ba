from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from stable_baselines3 import DDPG, DQN, SAC, TD3
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch.nn import functional as F

from small_envs import Walk
from wmil_agents.attached_critic import AttachedCriticPolicy
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import AuxiliaryLoss, Transitions
from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

EXTRACTOR = {"features_extractor_class": TransformerExtractor, "features_extractor_kwargs": {"width": 16}}
POLICY = {"net_arch": [16], **EXTRACTOR}
SETTINGS: dict[str, Any] = {"learning_starts": 32, "batch_size": 32, "buffer_size": 500, "seed": 0, "device": "cpu"}
SCALE = 0.3


def dqn(**kwargs: Any) -> DQN:
    env = BatchVecEnv(gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=4, horizon=3))
    settings = SETTINGS | {"policy_kwargs": dict(POLICY), "target_update_interval": 16} | kwargs
    return DQN("MlpPolicy", env, **settings)


def sac(**kwargs: Any) -> SAC:
    return SAC("MlpPolicy", Walk(), **SETTINGS | {"policy_kwargs": dict(POLICY)} | kwargs)


def td3(**kwargs: Any) -> TD3:
    return TD3("MlpPolicy", Walk(), **SETTINGS | {"policy_kwargs": dict(POLICY)} | kwargs)


def ddpg(**kwargs: Any) -> DDPG:
    return DDPG("MlpPolicy", Walk(), **SETTINGS | {"policy_kwargs": dict(POLICY)} | kwargs)


MAKERS = pytest.mark.parametrize("make_model", [dqn, sac, td3, ddpg])
MakeModel = Callable[..., OffPolicyAlgorithm]


def states(model: OffPolicyAlgorithm) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}


def trained(model: OffPolicyAlgorithm, n_steps: int = 48) -> OffPolicyAlgorithm:
    return model.learn(n_steps)


@MAKERS
def test_at_scale_zero_training_is_that_of_the_plain_model_bit_for_bit(make_model: MakeModel) -> None:
    plain = trained(make_model(), 64)
    attached = trained(attach(make_model(), [WorldModelLoss(scale=0.0)]), 64)
    expected, got = states(plain), states(attached)
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert isinstance(attached.policy, AttachedCriticPolicy)
    assert all(parameter.grad is None for parameter in attached.policy.auxiliary_heads.parameters())


@MAKERS
def test_one_update_changes_the_critics_extractor_and_the_head_and_no_target(make_model: MakeModel) -> None:
    model = trained(attach(make_model(), [WorldModelLoss(scale=SCALE)]), 32)
    before = states(model)
    model.train(1, 32)
    after = states(model)
    policy = model.policy
    assert isinstance(policy, AttachedCriticPolicy)
    critic = "q_net" if isinstance(model, DQN) else "critic"
    heads = [name for name in after if name.startswith("auxiliary_heads")]
    assert heads
    assert all(not torch.equal(before[name], after[name]) for name in heads)
    assert not torch.equal(before[f"{critic}.features_extractor.query"], after[f"{critic}.features_extractor.query"])
    shapes = [
        {n: t.shape for n, t in getattr(policy, name).state_dict().items()} for name in (critic, f"{critic}_target")
    ]
    assert shapes[0] == shapes[1]


def sampled_gradients(model: OffPolicyAlgorithm) -> tuple[Any, dict[str, torch.Tensor]]:
    """One update's replayed minibatch, and the gradients at the critic's optimizer step."""
    assert isinstance(model.policy, AttachedCriticPolicy)
    optimizer, gradients, batches = model.policy.learning_optimizer, {}, []
    buffer: Any = model.replay_buffer
    plain_sample = buffer.sample

    def sample(*args: Any, **kwargs: Any) -> Any:
        batches.append(plain_sample(*args, **kwargs))
        return batches[-1]

    def keep(*_: Any) -> None:
        named = model.policy.named_parameters()
        gradients.update({name: p.grad.clone() for name, p in named if p.grad is not None})

    handle = optimizer.register_step_pre_hook(keep)
    buffer.sample = sample
    model.train(1, 32)
    handle.remove()
    return batches[0], gradients


@MAKERS
def test_the_gradient_is_the_critics_plus_the_scaled_loss_written_by_hand(make_model: MakeModel) -> None:
    still: dict[str, Any] = {"learning_rate": 0.0}
    if make_model is dqn:
        still |= {"max_grad_norm": 1e9}
    loss = WorldModelLoss(scale=SCALE)
    model = trained(attach(make_model(**still), [loss]), 32)
    torch.manual_seed(3)
    batch, joint = sampled_gradients(model)
    torch.manual_seed(3)
    policy: Any = model.policy
    policy.zero_grad()
    critic = policy.learning_critic
    actions = batch.actions.flatten() if isinstance(model, DQN) else batch.actions
    obs, following, gamma = batch.observations, batch.next_observations, model.gamma
    with torch.no_grad():
        if isinstance(model, DQN):
            next_values = policy.q_net_target(following).amax(1, keepdim=True)
        elif isinstance(model, SAC):
            policy.actor.action_log_prob(obs)  # the algorithm draws these first
            taken, log_prob = policy.actor.action_log_prob(following)
            next_values = torch.cat(policy.critic_target(following, taken), 1).amin(1, keepdim=True)
            next_values = next_values - 1.0 * log_prob[:, None]  # the entropy coefficient starts at 1
        else:
            noise = torch.zeros_like(batch.actions).normal_(0, model.target_policy_noise)
            noise = noise.clamp(-model.target_noise_clip, model.target_noise_clip)
            taken = (policy.actor_target(following) + noise).clamp(-1, 1)
            next_values = torch.cat(policy.critic_target(following, taken), 1).amin(1, keepdim=True)
        targets = batch.rewards + (1 - batch.dones) * gamma * next_values
    if isinstance(model, DQN):
        own = F.smooth_l1_loss(critic(obs).gather(1, batch.actions.long()), targets)
    else:
        parts = [F.mse_loss(values, targets) for values in critic(obs, batch.actions)]
        own = torch.stack(parts).sum() * (0.5 if isinstance(model, SAC) else 1.0)
    features = critic.extract_features(obs, critic.features_extractor)
    auxiliary, _ = loss.loss(policy.auxiliary_heads["world_model"], features, Transitions(obs, actions, following))
    (own + SCALE * auxiliary).backward()
    name_of = "q_net." if isinstance(model, DQN) else "critic."
    compared = 0
    for name, parameter in policy.named_parameters():
        if name.startswith((name_of, "auxiliary_heads.")):
            torch.testing.assert_close(joint[name], parameter.grad, atol=1e-5, rtol=1e-4)
            compared += 1
    assert compared > 20


def test_the_terminal_observation_reaches_the_loss() -> None:
    model = attach(dqn(), [WorldModelLoss()])
    model.learn(120)
    buffer: Any = model.replay_buffer
    ends = buffer.dones[: buffer.pos] == 1
    assert ends.any()
    assert (buffer.next_observations[: buffer.pos][ends][:, 3] == 0).all(), "no steps are left"
    assert (buffer.next_observations[: buffer.pos][ends][:, 1] > 0).all(), "there was a last action"


def test_several_losses_are_logged_with_their_metrics() -> None:
    model = attach(sac(), [WorldModelLoss(log_grad_norm=True), WorldModelLoss(name="second", scale=lambda left: left)])
    logged = model.learn(48, log_interval=1000).logger.name_to_value
    expected = ("world_model_loss", "world_model_error", "world_model_grad_norm", "second_loss")
    assert {f"train/{name}" for name in expected} <= logged.keys()
    assert logged["train/world_model_grad_norm"] > 0


@pytest.mark.parametrize("make_model", [dqn, pytest.param(sac, marks=pytest.mark.slow)])
def test_the_loss_falls(make_model: MakeModel) -> None:
    model = attach(make_model(learning_rate=3e-3), [WorldModelLoss(scale=1.0)])
    losses = []
    for _ in range(4):
        model.learn(80, reset_num_timesteps=False, log_interval=10_000)
        losses.append(model.logger.name_to_value["train/world_model_loss"])
    assert losses[-1] < 0.8 * losses[0]


@MAKERS
def test_a_loaded_model_goes_on_learning(make_model: MakeModel, tmp_path: Path) -> None:
    model = trained(attach(make_model(), [WorldModelLoss()]))
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    loaded = type(model).load(tmp_path / "model", env=model.env, device="cpu")
    loaded.load_replay_buffer(tmp_path / "buffer")
    expected, got = states(model), states(loaded)
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    loaded.learn(48, reset_num_timesteps=False)
    changed = states(loaded)
    assert all(not torch.equal(got[name], changed[name]) for name in got if name.startswith("auxiliary_heads"))


@pytest.mark.parametrize(("make_model", "stock"), [(dqn, DQN), (sac, SAC)])
def test_a_model_loaded_by_the_stock_class_says_what_to_do(make_model: MakeModel, stock: Any, tmp_path: Path) -> None:
    model = trained(attach(make_model(), [WorldModelLoss()]))
    model.save(tmp_path / "model")
    loaded = stock.load(tmp_path / "model", env=model.env, device="cpu")
    with pytest.raises(RuntimeError, match=r"call attach\(model\)"):
        loaded.learn(48)
    logged = attach(loaded).learn(48, log_interval=1000).logger.name_to_value
    assert "train/world_model_loss" in logged


def test_a_copied_policy_is_a_policy_of_its_own() -> None:
    model = trained(attach(dqn(), [WorldModelLoss()]))
    clone: Any = copy.deepcopy(model.policy)
    hooks = clone.q_net._forward_hooks.values()
    assert [hook.__self__ is clone for hook in hooks] == [True]


def test_the_replay_buffer_is_left_as_it_was() -> None:
    model = trained(attach(sac(), [WorldModelLoss()]))
    assert "sample" not in vars(model.replay_buffer)
    assert isinstance(model.policy, AttachedCriticPolicy)
    assert model.policy.minibatch.observations is None


def test_another_environment_is_taken_on() -> None:
    model = trained(attach(sac(), [WorldModelLoss()]))
    model.set_env(Walk())
    model.learn(8, reset_num_timesteps=False)


@pytest.mark.parametrize(
    ("model", "loss", "sentence"),
    [
        (lambda: dqn(policy_kwargs={}), WorldModelLoss(), "FlattenExtractor has nothing to learn"),
        (dqn, ContrastiveLoss(), "DQN replays single steps"),
        (lambda: dqn(n_steps=3), WorldModelLoss(), "several steps ahead"),
        (
            lambda: sac(policy_kwargs=POLICY | {"share_features_extractor": True}),
            WorldModelLoss(),
            "share_features_extractor=True",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(model: MakeModel, loss: AuxiliaryLoss, sentence: str) -> None:
    refused = model()
    plain_policy = type(refused.policy)
    with pytest.raises(ValueError, match=sentence):
        attach(refused, [loss])
    assert type(refused.policy) is plain_policy
    refused.learn(8)


def test_losses_are_named_once_and_all_at_once() -> None:
    with pytest.raises(ValueError, match="no auxiliary losses yet"):
        attach(dqn())
    with pytest.raises(ValueError, match="already"):
        attach(attach(dqn(), [WorldModelLoss()]), [WorldModelLoss(name="other")])


def test_heads_follow_the_training_mode_and_moving_averages_do_not() -> None:
    model = attach(dqn(), [LatentWorldModelLoss()])
    for mode in (False, True):
        model.policy.set_training_mode(mode)
        assert all(module.training is mode for module in model.policy.auxiliary_heads.modules())
        assert not any(module.training for module in model.policy.auxiliary_targets.modules())
