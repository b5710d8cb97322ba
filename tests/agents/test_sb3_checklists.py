"""Stable-Baselines3's own checklists, for each learner that we ship in each kind of world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from checklist_cases import ACTIONS, CASES, OBSERVATIONS, TINY, Case, drawn
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE

STEPS = 16
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
first_cases = list({case.algorithm: case for case in reversed(CASES)}.values())
each_algorithm = pytest.mark.parametrize("case", first_cases, ids=[case.algorithm.__name__ for case in first_cases])


@pytest.fixture
def env(case: Case) -> Iterator[VecEnv]:
    env = case.make_env(2)
    yield env
    env.close()


def observations(env: VecEnv) -> Any:
    """A batch, as the environments return it."""
    env.seed(3)
    return env.reset()


def first_of(batch: Any) -> Any:
    return {name: rows[0] for name, rows in batch.items()} if isinstance(batch, dict) else batch[0]


def same_parameters(one: Any, other: Any) -> bool:
    ours, theirs = one.policy.state_dict(), other.policy.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def optimizers(model: Any) -> list[torch.optim.Optimizer]:
    policy = model.policy
    return [policy.actor.optimizer, policy.critic.optimizer] if isinstance(model, SAC) else [policy.optimizer]


@each_case
def test_what_is_saved_is_loaded_and_goes_on_learning(case: Case, env: VecEnv, tmp_path: Path) -> None:
    model = case.model(env)
    model.learn(STEPS)
    model.save(tmp_path / "model")
    loaded = case.algorithm.load(tmp_path / "model", env=env, device="cpu")
    assert same_parameters(model, loaded)
    for mine, theirs in zip(optimizers(model), optimizers(loaded), strict=True):
        assert str(mine.state_dict()) == str(theirs.state_dict())
    batch = observations(env)
    np.testing.assert_array_equal(
        model.predict(batch, deterministic=True)[0], loaded.predict(batch, deterministic=True)[0]
    )
    loaded.learn(STEPS)
    assert not same_parameters(model, loaded)


@each_case
def test_a_policy_is_saved_alone(case: Case, env: VecEnv, tmp_path: Path) -> None:
    policy = case.model(env).policy
    policy.save(tmp_path / "policy")
    loaded = type(policy).load(tmp_path / "policy", device="cpu")
    batch = observations(env)
    np.testing.assert_array_equal(
        policy.predict(batch, deterministic=True)[0], loaded.predict(batch, deterministic=True)[0]
    )


@each_case
def test_the_same_seed_trains_the_same_bits_and_another_one_others(case: Case) -> None:
    models = []
    for seed in (5, 5, 6):
        env = case.make_env(2)
        models.append(case.model(env, seed))
        models[-1].learn(STEPS)
        env.close()
    assert same_parameters(models[0], models[1])
    assert not same_parameters(models[0], models[2])


@each_case
def test_one_observation_and_a_batch_give_actions_of_the_space(case: Case, env: VecEnv) -> None:
    model = case.model(env)
    batch = observations(env)
    actions, state = model.predict(batch, deterministic=True)
    assert state is None
    assert actions.shape == (2, *env.action_space.shape)
    assert all(env.action_space.contains(action) for action in actions)
    one, _ = model.predict(first_of(batch), deterministic=True)
    assert np.shape(one) == env.action_space.shape
    np.testing.assert_allclose(one, actions[0], rtol=1e-5, atol=1e-6)
    again, _ = model.predict(batch, deterministic=True)
    np.testing.assert_array_equal(actions, again)


@each_case
def test_rollouts_and_predictions_are_in_evaluation_mode_and_updates_in_training_mode(case: Case, env: VecEnv) -> None:
    model = case.model(env)
    modes: dict[str, list[bool]] = {"rollout": [], "update": []}

    class Watch(BaseCallback):
        def _on_step(self) -> bool:
            modes["rollout"].append(model.policy.training)
            return True

    for optimizer in optimizers(model):
        optimizer.register_step_pre_hook(lambda *_: modes["update"].append(model.policy.training))
    model.learn(STEPS, Watch())
    assert modes["rollout"]
    assert modes["update"]
    assert not any(modes["rollout"])
    assert all(modes["update"])
    for mode in (True, False):
        model.policy.set_training_mode(mode)
        parts = [part for part in model.policy.modules() if not is_target(model, part)]
        assert {part.training for part in parts} == {mode}
    model.policy.set_training_mode(True)
    model.predict(observations(env))
    assert not model.policy.training


def is_target(model: Any, part: torch.nn.Module) -> bool:
    """Whether this belongs to a target network, which is never in training mode."""
    targets = [getattr(model.policy, name, None) for name in ("q_net_target", "critic_target")]
    return any(part is one for target in targets if target is not None for one in target.modules())


@each_algorithm
def test_parameters_are_taken_out_and_put_in(case: Case, env: VecEnv) -> None:
    model, other = case.model(env, 1), case.model(env, 2)
    assert not same_parameters(model, other)
    other.set_parameters(model.get_parameters())
    assert same_parameters(model, other)
    with pytest.raises(ValueError, match="no_such_part"):
        model.set_parameters({"no_such_part": {}}, exact_match=False)
    with pytest.raises(ValueError, match="do not match"):
        model.set_parameters({}, exact_match=True)


@each_algorithm
def test_another_environment_is_taken_and_another_number_of_them_after_loading(
    case: Case, env: VecEnv, tmp_path: Path
) -> None:
    model = case.model(env)
    model.learn(STEPS)
    same_size = case.make_env(2)
    model.set_env(same_size)
    model.learn(STEPS)
    assert model.num_timesteps >= STEPS
    more = case.make_env(4)
    with pytest.raises(AssertionError, match="number of environments"):
        model.set_env(more)
    model.save(tmp_path / "model")
    loaded: Any = case.algorithm.load(tmp_path / "model", env=more, device="cpu")
    assert loaded.n_envs == 4
    loaded.learn(4 * STEPS)
    assert not same_parameters(model, loaded)
    same_size.close()
    more.close()


@pytest.mark.parametrize("kind", ["multi_discrete", "box"])
@pytest.mark.parametrize("algorithm", [PPO, REINFORCE, DQN])
def test_an_observation_of_another_shape_is_refused_in_a_sentence(algorithm: Any, kind: str) -> None:
    case = next(case for case in CASES if case.name == f"{algorithm.__name__}-{kind}")
    env = case.make_env(2)
    model = case.model(env)
    with pytest.raises(ValueError, match="Unexpected observation shape"):
        model.predict(np.zeros((2, 7), dtype=env.observation_space.dtype))
    env.close()


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (spaces.Discrete(3, start=1), "must start at 0"),
        (spaces.MultiDiscrete([[2, 2], [2, 2]]), "MultiDiscrete spaces of one dimension"),
        (spaces.Box(0.0, 1.0, (2, 2, 2)), "no tokenizer"),
    ],
    ids=str,
)
@pytest.mark.parametrize("algorithm", [PPO, REINFORCE])
def test_observations_that_are_not_covered_are_refused_in_a_sentence(
    algorithm: Any, space: spaces.Space[Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OBSERVATIONS, "odd", space)
    with pytest.raises(ValueError, match=sentence):
        algorithm(TransformerPolicy, drawn("odd")(1), policy_kwargs={"features_extractor_kwargs": TINY})


@pytest.mark.parametrize(
    ("algorithm", "actions"), [(DQN, "box"), (DQN, "multi_discrete"), (SAC, "discrete"), (SAC, "multi_binary")]
)
def test_actions_that_an_algorithm_does_not_know_are_refused_by_it(algorithm: Any, actions: str) -> None:
    with pytest.raises(AssertionError, match="only supports"):
        algorithm("MlpPolicy", drawn("box", actions)(1))


def test_every_kind_of_action_is_learnt_by_some_case() -> None:
    learnt = {type(case.make_env(1).action_space) for case in CASES}
    assert learnt == {type(space) for space in ACTIONS.values()}
    assert isinstance(gym.make("wmil_envs:WMIL/PatternEcho-v0").action_space, spaces.Discrete)
