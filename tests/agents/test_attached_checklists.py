"""Stable-Baselines3's own checklists for models with auxiliary losses, with and without `VecNormalize`."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CheckpointCallback,
    EvalCallback,
    StopTrainingOnRewardThreshold,
)
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import AuxiliaryLoss
from wmil_agents.auxiliary_losses.contrastive import ContrastiveLoss
from wmil_agents.auxiliary_losses.latent_world_model import LatentWorldModelLoss
from wmil_agents.auxiliary_losses.teacher import TeacherLoss
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.extractors.transformer import TransformerExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE

TINY = {"features_extractor_kwargs": {"width": 8, "n_layers": 1, "n_heads": 2}}
EXTRACTOR = {"features_extractor_class": TransformerExtractor, "net_arch": [], **TINY}
CONTRIB = EXTRACTOR | {"ortho_init": False}
STEPS = 24
"""Environment steps, after which there was an update."""
OBSERVATIONS: dict[str, spaces.Space[Any]] = {
    "box": spaces.Box(-9.0, 9.0, (2,)),
    "discrete": spaces.Discrete(4),
    "multi_discrete": spaces.MultiDiscrete([3, 4]),
    "multi_binary": spaces.MultiBinary(3),
    "dict": spaces.Dict({"cell": spaces.Discrete(4), "speed": spaces.Box(-1.0, 1.0, (2,))}),
}
ACTIONS: dict[str, spaces.Space[Any]] = {
    "discrete": spaces.Discrete(3),
    "multi_discrete": spaces.MultiDiscrete([2, 3]),
    "multi_binary": spaces.MultiBinary(2),
    "box": spaces.Box(-1.0, 1.0, (2,)),
}


class Drawn(gym.Env[Any, Any]):
    """Observations at random, rewards for large actions, episodes of three steps; no action is forbidden."""

    def __init__(self, observations: str, actions: str) -> None:
        self.observation_space, self.action_space = deepcopy(OBSERVATIONS[observations]), deepcopy(ACTIONS[actions])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        if seed is not None:
            self.observation_space.seed(seed)
        self._step = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._step += 1
        return self.observation_space.sample(), float(np.sum(action)), self._step == 3, False, {}

    def action_masks(self) -> np.ndarray:
        return np.ones(3, dtype=bool)

    def action_scores(self) -> np.ndarray:
        """What each action will be worth, for a loss that teaches."""
        return np.arange(3, dtype=np.float64)


@dataclass(frozen=True)
class Case:
    """One algorithm with one loss."""

    algorithm: type[Any]
    policy: str | type[Any]
    loss: AuxiliaryLoss
    settings: dict[str, Any]
    policy_kwargs: dict[str, Any]
    actions: str = "discrete"

    def env(self, *, is_normalised: bool = False, n_envs: int = 2, observations: str = "box") -> VecEnv:
        env = DummyVecEnv([lambda: Monitor(Drawn(observations, self.actions))] * n_envs)
        return VecNormalize(env) if is_normalised else env

    def model(self, env: VecEnv, seed: int = 0) -> Any:
        return attach(self.plain_model(env, seed), [self.loss])

    def plain_model(self, env: VecEnv, seed: int = 0) -> Any:
        arguments = {**self.settings, "policy_kwargs": dict(self.policy_kwargs)}
        return self.algorithm(self.policy, env, seed=seed, device="cpu", **arguments)


MINIBATCHES: dict[str, Any] = {"n_steps": 12, "batch_size": 12, "n_epochs": 1}
REPLAYING: dict[str, Any] = {"learning_starts": 16, "batch_size": 16, "buffer_size": 100, "train_freq": 12}
LSTM = CONTRIB | {"lstm_hidden_size": 8}
ALL = [
    Case(PPO, TransformerPolicy, WorldModelLoss(n_replayed=4), MINIBATCHES, TINY),
    Case(A2C, TransformerPolicy, ContrastiveLoss(), {"n_steps": 12}, TINY),
    Case(REINFORCE, "TransformerPolicy", LatentWorldModelLoss(n_replayed=4), {"n_steps": 12}, TINY),
    Case(RecurrentPPO, "MlpLstmPolicy", WorldModelLoss(n_replayed=4), MINIBATCHES, LSTM),
    Case(MaskablePPO, "MlpPolicy", TeacherLoss(), MINIBATCHES, CONTRIB),
    Case(DQN, "MlpPolicy", LatentWorldModelLoss(), REPLAYING, EXTRACTOR),
    Case(SAC, "MlpPolicy", WorldModelLoss(), REPLAYING, EXTRACTOR, "box"),
]
each_case = pytest.mark.parametrize("case", ALL, ids=[case.algorithm.__name__ for case in ALL])
saved_whole = [case for case in ALL if case.algorithm is not RecurrentPPO]  # sb3-contrib forgets the LSTM's size
each_saved_policy = pytest.mark.parametrize("case", saved_whole, ids=[case.algorithm.__name__ for case in saved_whole])
each_env = pytest.mark.parametrize("is_normalised", [False, True], ids=["plain", "normalised"])


@pytest.fixture
def env(case: Case, is_normalised: bool) -> Iterator[VecEnv]:
    env = case.env(is_normalised=is_normalised)
    yield env
    env.close()


def observations(env: VecEnv) -> Any:
    env.seed(3)
    return env.reset()


def same_parameters(one: Any, other: Any) -> bool:
    ours, theirs = one.policy.state_dict(), other.policy.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def optimizers(model: Any) -> list[torch.optim.Optimizer]:
    policy = model.policy
    return [policy.actor.optimizer, policy.critic.optimizer] if isinstance(model, SAC) else [policy.optimizer]


def logged(model: Any) -> set[str]:
    return set(model.logger.name_to_value)


@each_env
@each_case
def test_what_is_saved_is_loaded_and_goes_on_learning(case: Case, env: VecEnv, tmp_path: Path) -> None:
    model = case.model(env)
    model.learn(STEPS)
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model", env=env, device="cpu")
    assert same_parameters(model, loaded)
    for mine, theirs in zip(optimizers(model), optimizers(loaded), strict=True):
        assert str(mine.state_dict()) == str(theirs.state_dict())
    batch = observations(env)
    np.testing.assert_array_equal(
        model.predict(batch, deterministic=True)[0], loaded.predict(batch, deterministic=True)[0]
    )
    loaded.learn(STEPS, log_interval=1000)
    assert f"train/{case.loss.name}_loss" in logged(loaded)
    heads = [(name, part) for name, part in model.policy.named_parameters() if name.startswith("auxiliary_heads")]
    learnt = dict(loaded.policy.named_parameters())
    assert not [name for name, part in heads if torch.equal(part, learnt[name])]
    assert bool(heads) == (not isinstance(case.loss, TeacherLoss))


@each_saved_policy
def test_a_policy_is_saved_alone(case: Case, tmp_path: Path) -> None:
    env = case.env()
    policy = case.model(env).policy
    policy.save(tmp_path / "policy")
    loaded = type(policy).load(tmp_path / "policy", device="cpu")
    batch = observations(env)
    np.testing.assert_array_equal(
        policy.predict(batch, deterministic=True)[0], loaded.predict(batch, deterministic=True)[0]
    )
    assert loaded.state_dict().keys() == policy.state_dict().keys()


@each_env
@each_case
def test_the_same_seed_trains_the_same_bits_and_another_one_others(case: Case, is_normalised: bool) -> None:
    models = []
    for seed in (5, 5, 6):
        models.append(case.model(case.env(is_normalised=is_normalised), seed))
        models[-1].learn(STEPS)
    assert same_parameters(models[0], models[1])
    assert not same_parameters(models[0], models[2])


@each_case
def test_one_observation_and_a_batch_give_actions_of_the_space(case: Case) -> None:
    env = case.env()
    model, plain = case.model(env), case.plain_model(env)
    batch = observations(env)
    actions, _ = model.predict(batch, deterministic=True)
    assert actions.shape == (2, *env.action_space.shape)
    assert all(env.action_space.contains(action) for action in actions)
    one, _ = model.predict(batch[0], deterministic=True)
    assert np.shape(one) == env.action_space.shape
    np.testing.assert_allclose(one, actions[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(actions, model.predict(batch, deterministic=True)[0])
    np.testing.assert_array_equal(actions, plain.predict(batch, deterministic=True)[0])


@each_case
def test_rollouts_and_predictions_are_in_evaluation_mode_and_updates_in_training_mode(case: Case) -> None:
    env = case.env()
    model = case.model(env)
    policy = model.policy
    parts = [policy] if case.settings is REPLAYING else [policy, policy.auxiliary_heads]
    modes: dict[str, list[bool]] = {"rollout": [], "update": []}

    class Watch(BaseCallback):
        def _on_step(self) -> bool:
            modes["rollout"] += [part.training for part in parts]
            return True

    for optimizer in optimizers(model):
        optimizer.register_step_pre_hook(lambda *_: modes["update"].extend(part.training for part in parts))
    model.learn(STEPS, Watch())
    assert modes["rollout"]
    assert modes["update"]
    assert not any(modes["rollout"])
    assert all(modes["update"])
    policy.set_training_mode(True)
    model.predict(observations(env), deterministic=True)
    assert not any(part.training for part in parts)


@each_case
def test_parameters_are_taken_out_and_put_in(case: Case) -> None:
    env = case.env()
    model, other = case.model(env, 1), case.model(env, 2)
    assert not same_parameters(model, other)
    other.set_parameters(model.get_parameters())
    assert same_parameters(model, other)


@each_case
def test_another_environment_is_taken_and_another_number_of_them_after_loading(case: Case, tmp_path: Path) -> None:
    model = case.model(case.env())
    model.set_env(case.env())
    model.learn(STEPS)
    more = case.env(n_envs=4)
    with pytest.raises(AssertionError, match="number of environments"):
        model.set_env(more)
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model", env=more, device="cpu")
    assert loaded.n_envs == 4
    loaded.learn(2 * STEPS)
    assert not same_parameters(model, loaded)


@each_case
def test_the_normaliser_around_the_environment_is_the_models_and_learns(case: Case) -> None:
    env = case.env(is_normalised=True)
    model = case.model(env)
    assert model.get_vec_normalize_env() is env
    model.learn(STEPS)
    assert isinstance(env, VecNormalize)
    assert env.obs_rms.count >= STEPS
    env.training, env.norm_reward = False, False
    rewards, lengths = evaluate_policy(model, env, n_eval_episodes=4, return_episode_rewards=True)
    assert lengths == [3, 3, 3, 3]
    assert len(rewards) == 4


@pytest.mark.parametrize("name", OBSERVATIONS)
@pytest.mark.parametrize("case", [ALL[0], ALL[1], ALL[5]], ids=["PPO", "A2C", "DQN"])
def test_every_kind_of_observation_is_learnt_from(case: Case, name: str) -> None:
    env = case.env(observations=name)
    policy = "MultiInputPolicy" if name == "dict" and case.algorithm is DQN else case.policy
    kind = Case(case.algorithm, policy, case.loss, case.settings, case.policy_kwargs)
    model = kind.model(env)
    model.learn(STEPS, log_interval=1000)
    assert np.isfinite(model.logger.name_to_value[f"train/{case.loss.name}_loss"])
    actions, _ = model.predict(observations(env))
    assert all(env.action_space.contains(action) for action in actions)


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("case", ALL[:3], ids=["PPO", "A2C", "REINFORCE"])
def test_every_kind_of_action_is_learnt_from(case: Case, actions: str) -> None:
    kind = Case(case.algorithm, case.policy, case.loss, case.settings, case.policy_kwargs, actions)
    env = kind.env()
    model = kind.model(env)
    model.learn(STEPS, log_interval=1000)
    assert np.isfinite(model.logger.name_to_value[f"train/{case.loss.name}_loss"])
    taken, _ = model.predict(observations(env))
    assert all(env.action_space.contains(action) for action in taken)


@each_env
@each_case
def test_checkpoints_of_stable_baselines_are_whole_models(
    case: Case, env: VecEnv, is_normalised: bool, tmp_path: Path
) -> None:
    model = case.model(env)
    model.learn(
        2 * STEPS, CheckpointCallback(STEPS // 2, tmp_path, "m", save_replay_buffer=True, save_vecnormalize=True)
    )
    assert len(list(tmp_path.glob("m_*_steps.zip"))) == 2
    assert len(list(tmp_path.glob("m_vecnormalize_*"))) == (2 if is_normalised else 0)
    assert len(list(tmp_path.glob("m_replay_buffer_*"))) == (2 if case.settings is REPLAYING else 0)
    loaded = type(model).load(tmp_path / f"m_{2 * STEPS}_steps.zip", env=env, device="cpu")
    assert loaded.num_timesteps == 2 * STEPS
    assert loaded.policy.state_dict().keys() == model.policy.state_dict().keys()
    loaded.learn(STEPS, reset_num_timesteps=False, log_interval=1000)
    assert f"train/{case.loss.name}_loss" in logged(loaded)


@each_env
@each_case
def test_an_evaluation_saves_the_best_model_and_stops_training(
    case: Case, env: VecEnv, is_normalised: bool, tmp_path: Path
) -> None:
    model, other = case.model(env), case.env(is_normalised=is_normalised, n_envs=1)
    if isinstance(other, VecNormalize):
        other.training = False
    callback = EvalCallback(
        other,
        callback_on_new_best=StopTrainingOnRewardThreshold(-1000.0),
        n_eval_episodes=2,
        eval_freq=STEPS // 4,
        best_model_save_path=str(tmp_path),
        log_path=str(tmp_path),
        verbose=0,
    )
    model.learn(10 * STEPS, callback)
    assert model.num_timesteps == STEPS // 2, "the first evaluation was good enough"
    assert np.load(tmp_path / "evaluations.npz")["ep_lengths"].tolist() == [[3, 3]]
    if isinstance(other, VecNormalize):
        assert isinstance(env, VecNormalize)
        assert np.array_equal(other.obs_rms.mean, env.obs_rms.mean), "evaluated in the training's units"
        assert env.obs_rms.mean.any()
    best = type(model).load(tmp_path / "best_model", env=env, device="cpu")
    assert same_parameters(model, best)
    best.learn(STEPS, log_interval=1000)
    assert f"train/{case.loss.name}_loss" in logged(best)


@pytest.mark.parametrize("case", [ALL[0], ALL[5]], ids=["PPO", "DQN"])
def test_training_goes_on_while_the_threshold_is_not_reached(case: Case) -> None:
    model = case.model(case.env())
    stop = StopTrainingOnRewardThreshold(1000.0)
    callback = EvalCallback(case.env(n_envs=1), stop, n_eval_episodes=1, eval_freq=STEPS // 4, verbose=0)
    model.learn(2 * STEPS, callback)
    assert model.num_timesteps == 2 * STEPS
