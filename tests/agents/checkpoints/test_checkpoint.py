from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import EvalCallback, StopTrainingOnNoModelImprovement
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize

from wmil_agents import (
    BatchVecEnv,
    CheckpointError,
    TransformerPolicy,
    WorldModelLoss,
    attach,
    continue_learning,
    load_foreign,
    register_adapter,
    restore_checkpoint,
    save_checkpoint,
)
from wmil_agents.checkpoints.adapter import _ADAPTERS
from wmil_agents.checkpoints.checkpoint_folder import newest_valid, step_folder
from wmil_agents.checkpoints.exact_checkpoint_callback import ExactCheckpointCallback
from wmil_agents.checkpoints.pieces import load_piece_state, piece_state

MakeEnv = Callable[..., BatchVecEnv]


class Walk(gym.Env[Any, Any]):
    """A walk whose place nobody can ask for."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), dtype=np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = self.np_random.normal()
        return np.array([self.place], dtype=np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place += 2 * int(action) - 1 + 0.1 * self.np_random.normal()
        return np.array([self.place], dtype=np.float32), self.place, abs(self.place) > 3, False, {}


def cart_pole(n_envs: int = 2, **arguments: Any) -> PPO:
    env = make_vec_env("CartPole-v1", n_envs, seed=0)
    return PPO("MlpPolicy", env, **{"n_steps": 8, "batch_size": 16, "n_epochs": 1, "seed": 0} | arguments)


def walker(n_envs: int = 2) -> A2C:
    return A2C("MlpPolicy", VecNormalize(DummyVecEnv([Walk] * n_envs)), n_steps=4, seed=0)


def weights(model: Any) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(model.policy.parameters())


def test_more_comes_back(tmp_path: Path) -> None:
    model = cart_pole().learn(16)
    manifest = save_checkpoint(tmp_path / "one", model, more={"mine": [np.arange(3), "ours"]})
    restored = restore_checkpoint(tmp_path / "one", cart_pole())
    assert manifest.step == restored.step == 16
    assert restored.is_exact
    np.testing.assert_array_equal(restored.more["mine"][0], np.arange(3))


def test_learning_goes_on_between_two_calls_of_learn(tmp_path: Path) -> None:
    one = cart_pole().learn(32)
    save_checkpoint(tmp_path / "one", one)
    other = cart_pole()
    restored = restore_checkpoint(tmp_path / "one", other)
    with pytest.raises(CheckpointError, match="pass total_timesteps"):
        continue_learning(other, restored)
    continue_learning(other, restored, total_timesteps=64)
    restore_checkpoint(tmp_path / "one", one)  # the two share this process's generators
    one.learn(32, reset_num_timesteps=False)
    assert one.num_timesteps == other.num_timesteps == 64
    assert torch.equal(weights(one), weights(other))


class Counting(A2C):
    """Counts its updates on its own."""

    n_trained = 0

    def train(self) -> None:
        super().train()
        self.n_trained += 1

    def own_state_dict(self) -> dict[str, Any]:
        return {"n_trained": self.n_trained}

    def load_own_state_dict(self, state: dict[str, Any]) -> None:
        self.n_trained = state["n_trained"]


class Hoarding(RolloutBuffer):
    """Might keep something."""


def test_an_algorithm_keeps_what_it_holds_besides(tmp_path: Path) -> None:
    one, other = (Counting("MlpPolicy", make_vec_env("CartPole-v1", 2)) for _ in range(2))
    save_checkpoint(tmp_path / "one", one.learn(40))
    restore_checkpoint(tmp_path / "one", other)
    assert other.n_trained == one.n_trained == 4


def test_a_rollout_buffer_that_does_not_tell_is_marked(tmp_path: Path) -> None:
    model = A2C("MlpPolicy", make_vec_env("CartPole-v1", 2), rollout_buffer_class=Hoarding)
    assert "Hoarding" in save_checkpoint(tmp_path / "one", model.learn(10)).inexact[0]


def test_a_model_that_has_not_begun_has_nothing_to_continue(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has not begun"):
        save_checkpoint(tmp_path / "one", cart_pole())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: cart_pole(4), "environments: 2"),
        (lambda: A2C("MlpPolicy", make_vec_env("CartPole-v1", 2)), "algorithm: PPO"),
        (lambda: PPO("MlpPolicy", make_vec_env("Acrobot-v1", 2), n_steps=8, batch_size=16), "observations: Box"),
        (lambda: cart_pole(policy_kwargs={"net_arch": [8]}), "size mismatch"),
        (
            lambda: PPO("MlpPolicy", VecNormalize(make_vec_env("CartPole-v1", 2)), n_steps=8, batch_size=16),
            "VecNormalize",
        ),
        (
            lambda: PPO(
                "MlpPolicy", make_vec_env("CartPole-v1", 2, vec_env_cls=SubprocVecEnv), n_steps=8, batch_size=16
            ),
            "made with a DummyVecEnv",
        ),
        (lambda: cart_pole(policy_kwargs={"optimizer_class": torch.optim.SGD, "optimizer_kwargs": {}}), "SGD"),
    ],
)
def test_another_model_is_refused(make: Callable[[], Any], words: str, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "one", cart_pole().learn(16))
    model = make()
    try:
        with pytest.raises(CheckpointError, match=f"(?s)does not fit this model: .*({words})"):
            restore_checkpoint(tmp_path / "one", model)
    finally:
        model.env.close()


def test_losses_that_are_not_attached_are_missed(make_env: MakeEnv, tmp_path: Path) -> None:
    def make() -> Any:
        return PPO(TransformerPolicy, make_env(4), n_steps=4, batch_size=16, seed=0)

    save_checkpoint(tmp_path / "one", attach(make(), [WorldModelLoss()]).learn(16))
    with pytest.raises(CheckpointError, match="algorithm: AttachedPPO"):
        restore_checkpoint(tmp_path / "one", make())


def test_an_unknown_environment_is_continued_with_a_mark(tmp_path: Path) -> None:
    one = walker().learn(40)
    manifest = save_checkpoint(tmp_path / "one", one)
    assert len(manifest.inexact) == 1
    assert manifest.inexact[0].startswith("Walk has no state_dict and load_state_dict")
    finals = []
    for _ in range(2):
        other = walker()
        restored = restore_checkpoint(tmp_path / "one", other)
        assert not restored.is_exact
        assert restored.inexact == manifest.inexact
        assert torch.equal(weights(one), weights(other))
        assert isinstance(other.env, VecNormalize)
        assert isinstance(one.env, VecNormalize)
        assert other.env.obs_rms.count == one.env.obs_rms.count
        continue_learning(other, restored, total_timesteps=80)
        assert other.num_timesteps == 80
        finals.append(weights(other))
    assert torch.equal(*finals)  # not as it was, but the same each time


def test_an_adapter_makes_an_environment_exact(tmp_path: Path) -> None:
    def load(env: Walk, state: Any) -> None:
        env.place = state

    register_adapter(Walk, lambda env: env.place, load)
    try:
        whole, one = walker(), walker()
        whole.learn(80, ExactCheckpointCallback(tmp_path, 40))
        restored = restore_checkpoint(step_folder(tmp_path, 40), one)
        assert restored.is_exact
        assert torch.equal(
            weights(continue_learning(one, restored, ExactCheckpointCallback(tmp_path / "b"))), weights(whole)
        )
    finally:
        del _ADAPTERS[Walk]


def test_environments_in_other_processes_say_what_they_need(tmp_path: Path) -> None:
    env = make_vec_env("CartPole-v1", 2, seed=0, vec_env_cls=SubprocVecEnv)
    model = A2C("MlpPolicy", env, seed=0).learn(10)
    assert "wrapper_class=StatefulEnv" in save_checkpoint(tmp_path / "one", model).inexact[0]
    env.close()


def test_callbacks_of_stable_baselines3_go_on(tmp_path: Path) -> None:
    def callbacks(folder: Path) -> list[Any]:
        stop = StopTrainingOnNoModelImprovement(100)
        evaluation = EvalCallback(
            make_vec_env("CartPole-v1", 2, seed=9), n_eval_episodes=2, eval_freq=5, callback_after_eval=stop, verbose=0
        )
        return [ExactCheckpointCallback(folder, 16, keep_last=9), evaluation]

    whole, one = cart_pole(), cart_pole()
    first, second = callbacks(tmp_path), callbacks(tmp_path / "again")
    whole.learn(64, first)
    continue_learning(one, restore_checkpoint(step_folder(tmp_path, 32), one), second)
    assert first[1].evaluations_timesteps == second[1].evaluations_timesteps
    assert first[1].evaluations_results == second[1].evaluations_results
    assert first[1].best_mean_reward == second[1].best_mean_reward
    assert first[1].callback.no_improvement_evals == second[1].callback.no_improvement_evals
    assert torch.equal(weights(whole), weights(one))


def test_other_callbacks_are_refused(tmp_path: Path) -> None:
    cart_pole().learn(32, [ExactCheckpointCallback(tmp_path, 16)])
    model = cart_pole()
    restored = restore_checkpoint(step_folder(tmp_path, 16), model)
    with pytest.raises(CheckpointError, match="name the same callbacks in the same order"):
        continue_learning(model, restored)


@pytest.mark.filterwarnings("ignore::tqdm.TqdmExperimentalWarning")
@pytest.mark.parametrize("before", [True, False])
def test_a_progress_bar_can_come_and_go(before: bool, tmp_path: Path) -> None:
    whole, one = cart_pole(), cart_pole()
    whole.learn(64, [ExactCheckpointCallback(tmp_path, 16, 9)], progress_bar=before)
    restored = restore_checkpoint(step_folder(tmp_path, 32), one)
    continue_learning(one, restored, [ExactCheckpointCallback(tmp_path / "b", 16)], progress_bar=not before)
    assert torch.equal(weights(whole), weights(one))
    other = cart_pole()
    restored = restore_checkpoint(step_folder(tmp_path / "b", 48), other)
    continue_learning(other, restored, [ExactCheckpointCallback(tmp_path / "c", 16)], log_interval=None)
    assert torch.equal(weights(whole), weights(other))


def test_the_model_is_of_its_own_class_again(tmp_path: Path) -> None:
    cart_pole().learn(32, ExactCheckpointCallback(tmp_path, 16))
    model = cart_pole()
    restored = restore_checkpoint(step_folder(tmp_path, 16), model)
    continue_learning(model, restored, ExactCheckpointCallback(tmp_path, 16))
    assert type(model) is PPO
    assert not {"rollouts_before", "plain_log_interval"} & set(vars(model))


def test_an_algorithm_without_rollouts_is_refused(tmp_path: Path) -> None:
    from sb3_contrib import ARS

    with pytest.raises(CheckpointError, match="ARS has none"):
        save_checkpoint(tmp_path / "one", ARS("LinearPolicy", "CartPole-v1"))


def test_files_of_stable_baselines3_need_trust(tmp_path: Path) -> None:
    model = DQN("MlpPolicy", "CartPole-v1", buffer_size=10)
    model.save(tmp_path / "model.zip")
    with pytest.raises(CheckpointError, match=r"runs whatever code its maker put there.*trust=True"):
        load_foreign(DQN, tmp_path / "model.zip")
    loaded = load_foreign(DQN, tmp_path / "model.zip", trust=True, env=model.env)
    assert torch.equal(weights(loaded), weights(model))


def test_the_newest_valid_checkpoint_is_found_and_damaged_ones_named(tmp_path: Path) -> None:
    cart_pole().learn(64, ExactCheckpointCallback(tmp_path, 16))
    (step_folder(tmp_path, 64) / "arrays.safetensors").write_bytes(b"")
    (tmp_path / "step-nonsense").mkdir()
    found = newest_valid(tmp_path)
    assert found.folder == step_folder(tmp_path, 48)
    assert found.manifest is not None
    assert found.manifest.step == 48
    assert len(found.skipped) == 1
    assert "step-000000000064" in found.skipped[0]
    assert newest_valid(tmp_path / "none").folder is None


def test_the_native_vector_environment_of_cart_pole_goes_on() -> None:
    one, other = (gym.make_vec("CartPole-v1", 3, vectorization_mode="vector_entry_point") for _ in range(2))
    one.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = rng.integers(2, size=(60, 3))
    for row in actions[:20]:
        one.step(row)
    load_piece_state(other, piece_state(one))
    for row in actions[20:]:
        for mine, its in zip(one.step(row)[:4], other.step(row)[:4], strict=True):
            np.testing.assert_array_equal(mine, its)


def test_what_several_heads_share_is_written_once(make_env: MakeEnv, tmp_path: Path) -> None:
    model = PPO(TransformerPolicy, make_env(2), n_steps=4, batch_size=8, seed=0)
    model.learn(8)
    save_checkpoint(tmp_path / "one", model)
    n_bytes = sum(parameter.nbytes for parameter in model.policy.parameters())
    assert set(model.policy.state_dict()) > {"features_extractor.query", "pi_features_extractor.query"}
    assert (tmp_path / "one/arrays.safetensors").stat().st_size < 3.5 * n_bytes, "parameters and two means of Adam"
    other = PPO(TransformerPolicy, make_env(2), n_steps=4, batch_size=8, seed=1)
    restore_checkpoint(tmp_path / "one", other)
    for name, value in model.policy.state_dict().items():
        assert torch.equal(value, other.policy.state_dict()[name]), name
