from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import ARS
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize
from torch import nn
from torch.nn import functional as F

from wmil_agents.attached_policy import AttachedPolicy
from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import AuxiliaryLoss, Transitions
from wmil_agents.auxiliary_losses.teacher import TeacherLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

MakeEnv = Callable[..., BatchVecEnv]
Model = A2C | PPO
SMALL = {"features_extractor_kwargs": {"width": 16}}
SCALE = 0.3


def ppo(env: Any, **kwargs: Any) -> PPO:
    settings = {"n_steps": 6, "batch_size": 24, "n_epochs": 2, "policy_kwargs": dict(SMALL)} | kwargs
    return PPO(TransformerPolicy, env, seed=0, device="cpu", **settings)


def a2c(env: Any, **kwargs: Any) -> A2C:
    return A2C(TransformerPolicy, env, seed=0, device="cpu", **{"n_steps": 6, "policy_kwargs": dict(SMALL)} | kwargs)


def reinforce(env: Any, **kwargs: Any) -> REINFORCE:
    return REINFORCE("TransformerPolicy", env, seed=0, device="cpu", **{"policy_kwargs": dict(SMALL)} | kwargs)


MAKERS = pytest.mark.parametrize("make_model", [ppo, a2c, reinforce])
STOCK = pytest.mark.parametrize("make_model", [ppo, a2c])
MakeModel = Callable[..., Model]


@dataclass(frozen=True)
class Spy(AuxiliaryLoss):
    """Remembers what it was given; its loss is the mean of the head's output."""

    name: str = "spy"
    scale: Any = 1.0
    n_replayed: int = 0

    def build(self, observation_space: Any, action_space: Any, features_dim: int) -> nn.Module:
        return nn.Linear(features_dim, 1)

    def loss(self, head: nn.Module, features: torch.Tensor, transitions: Transitions) -> Any:
        SEEN.append(transitions)
        return head(features).mean(), {"rows": torch.tensor(float(len(features)))}


SEEN: list[Transitions] = []


@pytest.fixture(autouse=True)
def _nothing_seen_yet() -> None:
    SEEN.clear()


def states(model: Model) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}


@MAKERS
def test_at_scale_zero_training_is_that_of_the_plain_model_bit_for_bit(
    make_model: MakeModel, make_env: MakeEnv
) -> None:
    plain = make_model(make_env(horizon=3)).learn(240)
    attached = attach(make_model(make_env(horizon=3)), [WorldModelLoss(scale=0.0)]).learn(240)
    expected, got = states(plain), states(attached)
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    heads = attached.policy.auxiliary_heads
    assert all(parameter.grad is None for parameter in heads.parameters())
    assert torch.equal(torch.as_tensor(plain.rollout_buffer.actions), torch.as_tensor(attached.rollout_buffer.actions))


@MAKERS
def test_one_update_changes_extractor_and_head(make_model: MakeModel, make_env: MakeEnv) -> None:
    plain = make_model(make_env(horizon=3)).learn(1)
    model = attach(make_model(make_env(horizon=3)), [WorldModelLoss(scale=SCALE)])
    before = states(model)
    model.learn(1)
    after, without = states(model), states(plain)
    heads = [name for name in after if name.startswith("auxiliary_heads")]
    assert all(not torch.equal(before[name], after[name]) for name in heads)
    assert heads
    assert not torch.equal(after["features_extractor.query"], without["features_extractor.query"])


def hand_written_loss(model: Model, world_model: WorldModelLoss) -> torch.Tensor:
    """The joint loss on the whole rollout, written out."""
    policy, buffer = model.policy, model.rollout_buffer
    assert isinstance(policy, AttachedPolicy)
    obs, actions, old_log_prob, advantages, returns, following = (
        torch.as_tensor(array)
        for array in (
            buffer.observations,
            buffer.actions.flatten(),
            buffer.log_probs.flatten(),
            buffer.advantages.flatten(),
            buffer.returns.flatten(),
            buffer.next_observations,
        )
    )
    values, log_prob, entropy = ActorCriticPolicy.evaluate_actions(policy, obs, actions)
    assert entropy is not None
    if isinstance(model, PPO):
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        gain = advantages * torch.exp(log_prob - old_log_prob)
    else:
        gain = advantages * log_prob
    head = policy.auxiliary_heads["world_model"]
    auxiliary, _ = world_model.loss(head, policy.extract_features(obs), Transitions(obs, actions, following))
    value_loss = F.mse_loss(values.flatten(), returns)
    return -gain.mean() - model.ent_coef * entropy.mean() + model.vf_coef * value_loss + SCALE * auxiliary


@MAKERS
def test_the_gradient_is_that_of_the_joint_loss_written_by_hand(make_model: MakeModel, make_env: MakeEnv) -> None:
    world_model = WorldModelLoss(scale=SCALE, n_replayed=0)
    still = {"learning_rate": 0.0, "max_grad_norm": 1e9, "ent_coef": 0.02}
    if make_model is ppo:
        still |= {"batch_size": 48, "n_epochs": 1}
    model = attach(make_model(make_env(horizon=3), **still), [world_model])
    model.learn(1)
    attached = {name: p.grad.clone() for name, p in model.policy.named_parameters() if p.grad is not None}
    model.policy.zero_grad()
    hand_written_loss(model, world_model).backward()
    for name, parameter in model.policy.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(attached[name], parameter.grad, atol=1e-6, rtol=0)
    assert any(name.startswith("auxiliary_heads") for name in attached)


@MAKERS
@pytest.mark.parametrize("kind", ["batch", "dummy"])
def test_the_terminal_observation_reaches_the_loss(make_model: MakeModel, make_env: MakeEnv, kind: str) -> None:
    dummies = [lambda: gym.make("wmil_envs:WMIL/PatternEcho-v0")] * 8
    attach(make_model(make_env() if kind == "batch" else DummyVecEnv(dummies)), [Spy()]).learn(1)
    transitions = SEEN[0]
    assert isinstance(transitions.observations, torch.Tensor)
    symbols, actions = transitions.observations[:, 0].long(), transitions.actions
    outcomes = torch.stack([symbols, actions + 1, 1 + (symbols == actions).long()], dim=1)
    assert torch.equal(torch.as_tensor(transitions.next_observations).long(), outcomes)


@STOCK
def test_next_observations_follow_their_own_observations_through_shuffling(
    make_model: MakeModel, make_env: MakeEnv
) -> None:
    attach(make_model(make_env(horizon=4, obs="dict")), [Spy()]).learn(96)
    for transitions in SEEN:
        assert isinstance(transitions.observations, dict)
        assert isinstance(transitions.next_observations, dict)
        assert torch.equal(transitions.next_observations["last_action"].flatten().long(), transitions.actions + 1)
        left, then = transitions.observations["steps_left"], transitions.next_observations["steps_left"]
        assert torch.equal(left - 1, then)


def test_past_transitions_are_replayed_beside_the_minibatch(make_env: MakeEnv) -> None:
    model = attach(reinforce(make_env()), [Spy(n_replayed=5), Spy(name="other")])
    model.learn(800)
    replaying, plain = SEEN[-2], SEEN[-1]
    assert len(replaying.actions) == 8 + 5
    assert len(plain.actions) == 8
    for transitions in SEEN:
        following, actions = torch.as_tensor(transitions.next_observations), transitions.actions
        assert torch.equal(following[:, 1].long(), actions + 1)
    memory = model.policy.minibatch.memory
    assert memory is not None
    assert 8 <= len(memory) <= 64


def test_a_buffers_state_holds_the_running_mean_and_the_memory(make_env: MakeEnv) -> None:
    first, second = (attach(reinforce(make_env()), [WorldModelLoss()]) for _ in range(2))
    first.learn(80)
    second.rollout_buffer.load_state_dict(first.rollout_buffer.state_dict())
    assert second.rollout_buffer.running_mean.value == first.rollout_buffer.running_mean.value != 0.0
    drawn = [model.policy.minibatch.memory.sample(9) for model in (first, second)]
    mine, theirs = ((each.observations, each.origin, each.actions, each.next_observations) for each in drawn)
    assert all(np.array_equal(one, other) for one, other in zip(mine, theirs, strict=True))


def test_several_losses_are_logged_with_their_metrics(make_env: MakeEnv) -> None:
    model = attach(ppo(make_env()), [WorldModelLoss(), Spy()])
    model.learn(1)
    logged = model.logger.name_to_value
    assert {"train/world_model_loss", "train/world_model_error", "train/spy_loss"} <= logged.keys()
    assert logged["train/spy_rows"] == 24


@MAKERS
def test_the_norm_of_the_weighted_gradient_is_logged_on_demand(make_model: MakeModel, make_env: MakeEnv) -> None:
    def logged(scale: float, **kwargs: Any) -> dict[str, Any]:
        losses = [WorldModelLoss(scale=scale, n_replayed=0, **kwargs), Spy(n_replayed=3)]
        model = attach(make_model(make_env(horizon=3), max_grad_norm=1e9, learning_rate=0.0), losses)
        model.learn(1)
        return dict(model.logger.name_to_value)

    one, half = logged(1.0, log_grad_norm=True), logged(0.5, log_grad_norm=True)
    assert "train/world_model_grad_norm" not in logged(1.0)
    assert "train/spy_grad_norm" not in one
    assert half["train/world_model_grad_norm"] == pytest.approx(one["train/world_model_grad_norm"] / 2, rel=1e-4)


def test_the_norm_is_that_of_the_policys_own_gradient(make_env: MakeEnv) -> None:
    still = {"learning_rate": 0.0, "max_grad_norm": 1e9, "policy_kwargs": dict(SMALL)}
    world_model = WorldModelLoss(scale=SCALE, n_replayed=0, log_grad_norm=True)
    model = attach(a2c(make_env(), **still), [world_model])
    model.learn(1)
    policy, buffer = model.policy, model.rollout_buffer
    assert isinstance(policy, AttachedPolicy)
    obs, following = torch.as_tensor(buffer.observations), torch.as_tensor(buffer.next_observations)
    policy.zero_grad()
    transitions = Transitions(obs, torch.as_tensor(buffer.actions.flatten()), following)
    amount, _ = world_model.loss(policy.auxiliary_heads["world_model"], policy.extract_features(obs), transitions)
    (SCALE * amount).backward()
    squares = [p.grad.square().sum() for n, p in policy.named_parameters() if p.grad is not None and "heads" not in n]
    expected = float(torch.stack(squares).sum().sqrt())
    assert model.logger.name_to_value["train/world_model_grad_norm"] == pytest.approx(expected, rel=1e-4)


def test_a_schedule_gives_the_scale(make_env: MakeEnv) -> None:
    model = attach(a2c(make_env()), [Spy(scale=lambda progress: 0.0 if progress > 0.4 else 1.0)])
    model.learn(96)
    assert len(SEEN) == 1


def test_building_heads_moves_no_random_generator(make_env: MakeEnv) -> None:
    model = ppo(make_env())
    before = torch.get_rng_state()
    attach(model, [WorldModelLoss()])
    assert torch.equal(before, torch.get_rng_state())


def test_evaluating_other_observations_computes_no_loss(make_env: MakeEnv) -> None:
    model = attach(ppo(make_env()), [Spy()])
    model.learn(1)
    n_seen = len(SEEN)
    obs = torch.as_tensor(model.rollout_buffer.observations[:4])
    values, _, _ = model.policy.evaluate_actions(obs, torch.zeros(4))
    assert len(SEEN) == n_seen
    assert type(values.grad_fn).__name__ == "AddmmBackward0"


@MAKERS
def test_a_loaded_model_goes_on_learning(make_model: MakeModel, make_env: MakeEnv, tmp_path: Path) -> None:
    model = attach(make_model(make_env()), [WorldModelLoss()]).learn(96)
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model", env=make_env(), device="cpu")
    expected, got = states(model), states(loaded)
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    before = states(loaded)
    loaded.learn(48)
    assert not torch.equal(
        before["auxiliary_heads.world_model.logits.weight"],
        loaded.policy.state_dict()["auxiliary_heads.world_model.logits.weight"],
    )


@STOCK
def test_a_model_loaded_by_the_stock_class_says_what_to_do(
    make_model: MakeModel, make_env: MakeEnv, tmp_path: Path
) -> None:
    model = attach(make_model(make_env()), [WorldModelLoss()]).learn(48)
    model.save(tmp_path / "model")
    stock = PPO if isinstance(model, PPO) else A2C
    loaded = stock.load(tmp_path / "model", env=make_env(), device="cpu")
    with pytest.raises(RuntimeError, match=r"call attach\(model\) again"):
        loaded.learn(48)
    assert "train/world_model_loss" in attach(loaded).learn(48).logger.name_to_value


def test_reinforce_attaches_what_it_loads(make_env: MakeEnv, tmp_path: Path) -> None:
    attach(reinforce(make_env()), [WorldModelLoss()]).learn(8).save(tmp_path / "model")
    loaded = REINFORCE.load(tmp_path / "model", env=make_env(), device="cpu").learn(8)
    assert "train/world_model_loss" in loaded.logger.name_to_value


def test_a_model_is_loaded_by_a_process_that_never_attached(make_env: MakeEnv, tmp_path: Path) -> None:
    attach(ppo(make_env()), [WorldModelLoss()]).save(tmp_path / "model")
    program = (
        "import sys; from stable_baselines3 import PPO\n"
        "model = PPO.load(sys.argv[1], device='cpu')\n"
        "print(len(model.policy.auxiliary_heads['world_model'].columns))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "model")], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "3", done.stderr


def test_a_stock_policy_with_our_extractor_learns_a_world_model(make_env: MakeEnv) -> None:
    kwargs = {"features_extractor_class": TransformerExtractor, "net_arch": []}
    model = PPO("MlpPolicy", make_env(), n_steps=6, batch_size=24, device="cpu", policy_kwargs=kwargs)
    assert "train/world_model_loss" in attach(model, [WorldModelLoss()]).learn(48).logger.name_to_value


def test_a_new_environment_is_recorded_too(make_env: MakeEnv) -> None:
    model = attach(ppo(make_env()), [WorldModelLoss()]).learn(48)
    model.set_env(make_env())
    model.learn(48)
    assert "train/world_model_loss" in model.logger.name_to_value


def test_a_model_loaded_without_an_environment_can_be_given_one(make_env: MakeEnv, tmp_path: Path) -> None:
    attach(ppo(make_env()), [WorldModelLoss()]).save(tmp_path / "model")
    model = attach(PPO.load(tmp_path / "model", device="cpu"))
    model.set_env(make_env())
    assert "train/world_model_loss" in model.learn(48).logger.name_to_value


def test_a_copied_policy_is_a_policy_of_its_own(make_env: MakeEnv) -> None:
    model = attach(ppo(make_env()), [WorldModelLoss()]).learn(48)
    obs = torch.as_tensor(model.rollout_buffer.observations[:4])
    with torch.no_grad():
        model.policy(obs)  # a policy keeps its last distribution, and graphs cannot be copied
    clone = copy.deepcopy(model.policy)
    assert torch.equal(clone.extract_features(obs), model.policy.extract_features(obs))
    assert clone.minibatch is not model.policy.minibatch


def test_what_cannot_work_is_refused_in_a_sentence(make_env: MakeEnv) -> None:
    with pytest.raises(ValueError, match="FlattenExtractor has nothing to learn"):
        attach(PPO("MlpPolicy", make_env(), device="cpu"), [WorldModelLoss()])
    with pytest.raises(ValueError, match="two auxiliary losses are named 'spy'"):
        attach(ppo(make_env()), [Spy(), Spy()])
    with pytest.raises(ValueError, match="'keys' cannot name an auxiliary loss"):
        attach(ppo(make_env()), [Spy(name="keys")])
    with pytest.raises(TypeError, match="not to ARS"):
        attach(ARS("MlpPolicy", gym.make("CartPole-v1"), device="cpu"), [WorldModelLoss()])
    with pytest.raises(ValueError, match="no auxiliary losses yet"):
        attach(ppo(make_env()))
    with pytest.raises(ValueError, match="at least one"):
        attach(ppo(make_env()), [])
    with pytest.raises(ValueError, match="already"):
        attach(attach(ppo(make_env()), [Spy()]), [WorldModelLoss()])


def test_a_refused_loss_leaves_the_model_as_it_was(make_env: MakeEnv) -> None:
    kwargs = {"policy_kwargs": {**SMALL, "max_parameters": 9_000}}
    model, plain = ppo(make_env(), **kwargs), ppo(make_env(), **kwargs)
    with pytest.raises(ValueError, match="more than max_parameters=9,000"):
        attach(model, [WorldModelLoss()])
    assert type(model.policy) is TransformerPolicy
    trained = []
    for each in (plain, model):
        each.set_random_seed(1)
        trained.append(states(each.learn(48)))
    assert trained[0].keys() == trained[1].keys()
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


def test_continuous_actions_and_dict_observations_are_recorded() -> None:
    class Walk(gym.Env[dict[str, np.ndarray], np.ndarray]):
        observation_space = spaces.Dict({"cell": spaces.Discrete(5), "speed": spaces.Box(-1, 1, (2,))})
        action_space = spaces.Box(-1, 1, (2,))

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            super().reset(seed=seed)
            self.cell = 0
            return self._obs(), {}

        def step(self, action: np.ndarray) -> Any:
            self.cell += 1
            return self._obs(), 0.0, self.cell == 4, False, {}

        def _obs(self) -> dict[str, Any]:
            return {"cell": self.cell, "speed": np.full(2, self.cell / 4, dtype=np.float32)}

    model = attach(a2c(DummyVecEnv([Walk] * 2)), [Spy(n_replayed=3), WorldModelLoss()])
    model.learn(48)
    for transitions in SEEN:
        assert isinstance(transitions.observations, dict)
        assert isinstance(transitions.next_observations, dict)
        moved = transitions.next_observations["cell"] - transitions.observations["cell"]
        assert (moved == 1).all()


def test_the_model_keeps_its_environment(make_env: MakeEnv) -> None:
    model = ppo(make_env())
    env = model.env
    attach(model, [WorldModelLoss()]).learn(48)
    assert model.env is env
    assert model.get_env() is env


@MAKERS
def test_an_evaluating_callback_finds_the_wrappers_that_it_compares(
    make_model: MakeModel,
) -> None:
    def normalised(**kwargs: Any) -> VecNormalize:
        return VecNormalize(
            VecMonitor(DummyVecEnv([lambda: gym.make("CartPole-v1", max_episode_steps=6)] * 8)), **kwargs
        )

    env, other = normalised(), normalised(training=False)
    model = attach(make_model(env), [WorldModelLoss(n_replayed=0)])
    model.learn(64, callback=EvalCallback(other, n_eval_episodes=1, eval_freq=4, verbose=0))
    assert np.any(other.obs_rms.mean)  # type: ignore[union-attr]  # it has the statistics of training now


def test_two_models_can_share_an_environment(make_env: MakeEnv) -> None:
    env = make_env(horizon=3, reveals_all_actions=True)
    taught = attach(ppo(env), [TeacherLoss()])
    other = attach(ppo(env), [WorldModelLoss()]).learn(48)
    taught.learn(48)
    assert "train/teacher_loss" in taught.logger.name_to_value
    assert "train/teacher_loss" not in other.logger.name_to_value


def test_at_scale_zero_the_parent_is_asked_nothing_and_nothing_is_remembered(
    make_env: MakeEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []
    plain = BatchVecEnv.action_scores
    monkeypatch.setattr(BatchVecEnv, "action_scores", lambda self: asked.append(None) or plain(self))
    for scale, n_asked, remembers in ((0.0, 0, False), (1.0, 6, True)):
        env = make_env(horizon=3, reveals_all_actions=True)
        model = attach(ppo(env), [TeacherLoss(scale=scale), WorldModelLoss(scale=scale)]).learn(48)
        assert len(asked) == n_asked
        assert (model.policy.minibatch.memory is not None) is remembers


def test_a_stock_policys_own_initialisation_leaves_our_extractor_alone(make_env: MakeEnv) -> None:
    def weights(policy: Any, **kwargs: Any) -> torch.Tensor:
        policy_kwargs = {"features_extractor_class": TransformerExtractor, "net_arch": [], **kwargs}
        model = PPO(policy, make_env(), n_steps=6, batch_size=24, seed=0, device="cpu", policy_kwargs=policy_kwargs)
        return model.policy.features_extractor.transformer.blocks[0].attention.out.weight  # type: ignore[union-attr]

    assert torch.equal(weights("MlpPolicy"), weights("MlpPolicy", ortho_init=False))
    assert torch.equal(weights("MlpPolicy"), weights(TransformerPolicy))
