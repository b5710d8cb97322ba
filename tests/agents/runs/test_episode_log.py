from __future__ import annotations

import errno
import json
import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_losses.world_model import WorldModelLoss
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.reinforce import REINFORCE
from wmil_agents.runs import read_episodes
from wmil_agents.runs.episode_layout import LogOptions, estimate_bytes
from wmil_agents.runs.episode_log import EpisodeLog
from wmil_agents.runs.episode_schema import FIELDS, VERSION, field_of
from wmil_agents.runs.episodes import STOPPED
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run import run
from wmil_agents.runs.run_stopped import RunStopped
from wmil_agents.runs.settings_sources import load_settings
from wmil_agents.vec_env.history import HistoryVecEnv
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

ID = "wmil_envs:WMIL/PatternEcho-v0"
SMALL = {"width": 16, "n_layers": 2, "n_heads": 2}
POLICY = {"features_extractor_kwargs": SMALL}


def model_of(algorithm: type = REINFORCE, n_envs: int = 4, losses: bool = False, **arguments: Any) -> Any:
    env = make_batch_vec_env(ID, n_envs, seed=0, **arguments)
    more = {"n_steps": 8, "batch_size": 16} if algorithm is PPO else {}
    model = algorithm(TransformerPolicy, env, policy_kwargs=POLICY, seed=0, **more)
    return attach(model, [WorldModelLoss()]) if losses else model


class Witness(BaseCallback):
    """Remembers each step as it was shown, environment by environment."""

    def __init__(self) -> None:
        super().__init__()
        self.running: dict[int, list[tuple]] = {}
        self.episodes: list[list[tuple]] = []

    def _on_step(self) -> bool:
        shown = self.locals
        for env, info in enumerate(shown["infos"]):
            step = (
                self.model._last_obs[env].tolist(),
                shown["actions"][env],
                float(shown["rewards"][env]),
                float(shown["log_probs"][env]),
                float(shown["values"].ravel()[env]),
                bool(info["success"]),
            )
            self.running.setdefault(env, []).append(step)
            if shown["dones"][env]:
                self.episodes.append([*self.running.pop(env), (info["terminal_observation"].tolist(),)])
        return True


@pytest.mark.parametrize("algorithm", [REINFORCE, A2C, PPO])
@pytest.mark.parametrize("horizon", [1, 3])
def test_the_log_holds_every_episode_as_it_was_shown(algorithm: type, horizon: int, tmp_path: Path) -> None:
    model, witness = model_of(algorithm, losses=True, horizon=horizon), Witness()
    model.learn(150, CallbackList([EpisodeLog(tmp_path), witness]))
    logged = [episode for block in read_episodes(tmp_path) for episode in block.episodes()]
    assert len(logged) == len(witness.episodes) > 30
    for episode, (*steps, (final,)) in zip(logged, witness.episodes, strict=True):
        observations, actions, rewards, log_probs, values, success = zip(*steps, strict=True)
        assert episode["observations"].tolist() == list(observations)
        assert episode["actions"].tolist() == list(actions)
        assert episode["rewards"].tolist() == list(rewards)
        assert episode["log_probs"].tolist() == list(log_probs)
        assert episode["values"].tolist() == list(values)
        assert episode["success"].tolist() == list(success)
        assert episode["terminated"].tolist() == [False] * (horizon - 1) + [True]
        assert not episode["truncated"].any()
        assert episode["final_observations"].tolist() == final


def test_what_is_learnt_is_the_same_with_the_log(tmp_path: Path) -> None:
    plain = model_of(losses=True)
    plain.learn(200)
    logged = model_of(losses=True)
    logged.learn(200, EpisodeLog(tmp_path, LogOptions(attention=True, features=True, sample_every=3)))
    for name, weights in plain.policy.state_dict().items():
        assert torch.equal(weights, logged.policy.state_dict()[name]), name


def test_full_infos_add_components_and_sources(tmp_path: Path) -> None:
    model = model_of(info="full")
    model.learn(40, EpisodeLog(tmp_path))
    log = read_episodes(tmp_path)
    assert np.array_equal(log.column("reward_components")[:, 0], log.column("rewards"))
    assert set(log.column("parent_sources").tolist()) == {0}
    assert log.about["parent_sources"][0] == "rule"


def test_losses_are_those_that_the_algorithm_logged(tmp_path: Path) -> None:
    class Logged(BaseCallback):
        values: list[float] = []

        def _on_rollout_start(self) -> None:
            if "train/policy_loss" in self.logger.name_to_value:
                self.values.append(self.logger.name_to_value["train/policy_loss"])

        def _on_step(self) -> bool:
            return True

    model, witness = model_of(A2C, losses=True), Logged()
    witness.values = []
    model.learn(100, CallbackList([EpisodeLog(tmp_path), witness]), log_interval=1000)
    log = read_episodes(tmp_path)
    steps = log.column("update_steps")
    assert steps.tolist() == [20, 40, 60, 80, 100]
    assert log.column("losses/policy_loss")[:-1].tolist() == witness.values
    assert "losses/world_model_loss" in log.about["arrays"]


def test_samples_are_what_the_policy_held(tmp_path: Path) -> None:
    model = model_of(losses=True)
    before = {name: weights.clone() for name, weights in model.policy.state_dict().items()}
    model.learn(4, EpisodeLog(tmp_path, LogOptions(attention=True, features=True)))
    (block,) = read_episodes(tmp_path)
    model.policy.load_state_dict(before)
    observations = torch.as_tensor(block["sample_observations"].astype(np.int32))
    with torch.no_grad():
        features = model.policy.extract_features(observations)
        weights = model.policy.features_extractor.attention_weights(observations)
    assert np.array_equal(block["sample_features"], features.numpy())
    assert np.array_equal(block["sample_attention"], weights.transpose(0, 1).numpy())
    assert np.allclose(block["sample_attention"].sum(-1), 1.0)
    head = model.policy.auxiliary_heads["world_model"]
    following = torch.as_tensor(block["final_observations"].astype(np.int64))
    errors = head.squared_errors(features, torch.as_tensor(block["sample_actions"]), following)
    assert np.allclose(block["sample_prediction_errors"], errors.numpy())
    assert block.about["predicted_columns"] == ["symbol", "last_action", "feedback"]
    assert block.about["attention_tokens"] == ["query", "symbol", "last_action", "feedback"]


def test_samples_are_taken_at_their_interval(tmp_path: Path) -> None:
    model_of(n_envs=40).learn(40 * 7, EpisodeLog(tmp_path, LogOptions(features=True, sample_every=3)))
    log = read_episodes(tmp_path)
    assert sorted(set(log.column("sample_steps").tolist())) == [0, 120, 240]
    assert set(log.column("sample_envs").tolist()) == set(range(32))


@pytest.mark.parametrize("every", [2, 5])
def test_one_episode_of_so_many_is_kept(every: int, tmp_path: Path) -> None:
    model_of(horizon=2).learn(200, EpisodeLog(tmp_path, LogOptions(every=every)))
    numbers = read_episodes(tmp_path).column("episodes")
    assert numbers.tolist() == list(range(0, numbers[-1] + 1, every))


def test_a_time_limit_truncates_and_stock_environments_are_logged_too(tmp_path: Path) -> None:
    env = make_vec_env(lambda: gym.wrappers.TimeLimit(gym.make("CartPole-v1").unwrapped, 5), 2, seed=0)
    PPO("MlpPolicy", env, n_steps=16, batch_size=16, seed=0).learn(64, EpisodeLog(tmp_path, LogOptions(features=True)))
    log = read_episodes(tmp_path)
    assert log.episode_lengths().max() == 5
    assert log.column("truncated").sum() == (log.episode_lengths() == 5).sum() > 5
    assert set(log.column("success").tolist()) == {-1}
    assert log.column("final_observations").shape == (len(log.column("episodes")), 4)


def test_observations_are_those_that_the_policy_saw_through_wrappers(tmp_path: Path) -> None:
    env = VecNormalize(make_batch_vec_env("CartPole-v1", 2, seed=0), norm_reward=False)
    PPO("MlpPolicy", env, n_steps=32, batch_size=16, seed=0).learn(32 * 4, EpisodeLog(tmp_path))
    (block,) = read_episodes(tmp_path)
    first, second = block["observations"], block["final_observations"]
    assert np.abs(first).max() > 1.0  # raw positions stay near 0
    last_of_each = first[block["episode_starts"][1:] - 1]
    assert np.abs(second - last_of_each).mean() < np.abs(second).mean()


def test_histories_are_logged_entry_by_entry(tmp_path: Path) -> None:
    from wmil_agents.extractors.history import HistoryExtractor

    env = HistoryVecEnv(make_batch_vec_env("CartPole-v1", 2, seed=0), 3)
    kwargs = {"features_extractor_class": HistoryExtractor, "features_extractor_kwargs": {**SMALL, "n_layers": 1}}
    model = PPO(TransformerPolicy, env, n_steps=32, batch_size=16, seed=0, policy_kwargs=kwargs)
    model.learn(100, EpisodeLog(tmp_path, LogOptions(attention=True)))
    log = read_episodes(tmp_path)
    assert log.column("observations/observation").shape[1:] == (3, 4)
    assert log.column("final_observations/observation_mask").shape[1:] == (3,)
    assert log.column("sample_attention").shape[1:] == (1, 2, 3, 3)
    assert log.about["attention_tokens"] == ["-2", "-1", "now"]


def test_an_off_policy_algorithm_has_no_log_probabilities(tmp_path: Path) -> None:
    env = make_batch_vec_env("CartPole-v1", 1, seed=0)
    DQN("MlpPolicy", env, learning_starts=20, seed=0).learn(120, EpisodeLog(tmp_path), log_interval=1000)
    (block,) = read_episodes(tmp_path)
    assert "log_probs" not in block.arrays
    assert len(block) > 2
    assert "losses/loss" in block.arrays


@pytest.mark.parametrize("option", ["attention", "features"])
def test_sampling_what_a_policy_does_not_have_is_refused(option: str, tmp_path: Path) -> None:
    model = DQN("MlpPolicy", make_batch_vec_env("CartPole-v1", 1, seed=0))
    with pytest.raises(InputError, match="the episode log cannot be kept"):
        model.learn(10, EpisodeLog(tmp_path, LogOptions(**{option: True})))


def test_attention_of_a_policy_without_any_is_refused(tmp_path: Path) -> None:
    model = PPO("MlpPolicy", make_batch_vec_env("CartPole-v1", 1, seed=0))
    with pytest.raises(InputError, match="has no attention"):
        model.learn(10, EpisodeLog(tmp_path, LogOptions(attention=True)))


def test_learning_in_two_parts_keeps_the_episode_between_them(tmp_path: Path) -> None:
    model_of(PPO, horizon=3).learn(128, EpisodeLog(tmp_path / "whole"))
    parts, log = model_of(PPO, horizon=3), EpisodeLog(tmp_path / "parts")
    parts.learn(64, log)
    parts.learn(64, log, reset_num_timesteps=False)
    one, other = read_episodes(tmp_path / "whole"), read_episodes(tmp_path / "parts")
    for name in ("episodes", "observations", "actions", "episode_end_steps"):
        assert np.array_equal(one.column(name), other.column(name)), name


def test_a_log_that_begins_inside_an_episode_leaves_that_one_out(tmp_path: Path) -> None:
    model = model_of(PPO, horizon=3)
    model.learn(32)  # 8 steps of every environment: two of an episode's three are over
    model.learn(32, EpisodeLog(tmp_path), reset_num_timesteps=False)
    assert set(read_episodes(tmp_path).episode_lengths().tolist()) == {3}
    assert len(read_episodes(tmp_path).column("episodes")) == 4 * 2


def test_a_log_continues_from_its_state_to_the_same_files(tmp_path: Path) -> None:
    class Snapshot(BaseCallback):
        state: Any = None

        def _on_rollout_start(self) -> None:
            if self.num_timesteps == 64:
                self.state = pickle.loads(pickle.dumps(log.state_dict()))

        def _on_step(self) -> bool:
            return True

    options = LogOptions(features=True, sample_every=2)
    log, snapshot = EpisodeLog(tmp_path / "a", options), Snapshot()
    model = model_of(PPO, horizon=3)
    model.learn(128, CallbackList([snapshot, log]))
    other = EpisodeLog(tmp_path / "b", options)
    again = model_of(PPO, horizon=3)

    class Restore(BaseCallback):
        def _on_rollout_start(self) -> None:
            if self.num_timesteps == 64:
                other.load_state_dict(snapshot.state)

        def _on_step(self) -> bool:
            return True

    again.learn(128, CallbackList([Restore(), other]))
    assert (tmp_path / "a/block-000000.npz").read_bytes() == (tmp_path / "b/block-000000.npz").read_bytes()


def test_blocks_written_after_a_state_are_removed_when_it_is_loaded(tmp_path: Path) -> None:
    log = EpisodeLog(tmp_path)
    fresh = log.state_dict()
    model_of().learn(40, log)
    assert (tmp_path / "block-000000.npz").exists()
    log.load_state_dict(fresh)
    assert list(tmp_path.iterdir()) == []


def test_another_log_in_the_folder_is_refused(tmp_path: Path) -> None:
    model_of().learn(40, EpisodeLog(tmp_path))
    with pytest.raises(InputError, match="holds another episode log"):
        model_of().learn(40, EpisodeLog(tmp_path))


def test_at_its_limit_the_log_ends_and_says_so(tmp_path: Path) -> None:
    log = EpisodeLog(tmp_path, LogOptions(max_bytes=400_000))
    model_of(n_envs=256).learn(256 * 100, log)
    assert log.stopped is not None
    read = read_episodes(tmp_path)
    assert read.stopped == log.stopped
    numbers = read.column("episodes")
    assert f"before episode {numbers[-1] + 1:,}, at step" in log.stopped
    assert "its limit of 0.4 MB is reached" in log.stopped
    assert sum(path.stat().st_size for path in tmp_path.glob("block*")) <= 400_000


def test_an_episode_without_an_end_cannot_fill_the_memory(tmp_path: Path) -> None:
    env = make_batch_vec_env("CartPole-v1", 1, seed=0)
    model = PPO("MlpPolicy", env, n_steps=64, seed=0)
    log = EpisodeLog(tmp_path, LogOptions(max_bytes=1_000))
    log.init_callback(model)
    log._skipped = np.zeros(1, np.bool_)
    env.reset()
    model._last_obs = np.zeros((1, 4), np.float32)
    for _ in range(9_000):
        log.update_locals(
            {
                "actions": np.zeros(1, np.int64),
                "rewards": np.ones(1),
                "dones": np.zeros(1, np.bool_),
                "log_probs": torch.zeros(1),
                "values": torch.zeros(1, 1),
                "new_obs": model._last_obs,
                "infos": [{}],
            }
        )
        model._logger = model._logger if hasattr(model, "_logger") else _logger()
        log.on_step()
    assert log.stopped is not None
    assert "an episode of more than" in log.stopped
    assert json.loads((tmp_path / STOPPED).read_text())["reason"] == log.stopped


def _logger() -> Any:
    from stable_baselines3.common.logger import Logger

    return Logger(None, [])


@pytest.mark.parametrize(
    "arguments",
    [
        {"horizon": 3, "info": "full"},
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"horizon": 3}, marks=pytest.mark.slow),
    ],
)
def test_the_estimate_is_close_and_never_too_small(arguments: dict[str, Any], tmp_path: Path) -> None:
    options = LogOptions(attention=True, features=True, sample_every=5)
    model = model_of(PPO, n_envs=64, losses=True, **arguments)
    model.n_epochs, model.batch_size = 1, 512
    estimate = estimate_bytes(model, 20_480, options)
    model.learn(20_480, EpisodeLog(tmp_path, options))
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert 0.8 * estimate.n_bytes <= size <= estimate.n_bytes
    assert "will take" in str(estimate)


def test_an_estimate_above_the_limit_says_where_the_log_ends() -> None:
    estimate = estimate_bytes(model_of(), 10_000, LogOptions(max_bytes=50_000))
    assert "it ends at its limit of 0.1 MB, after about" in str(estimate)


def test_every_array_of_a_log_is_described(tmp_path: Path) -> None:
    model_of(losses=True, info="full").learn(40, EpisodeLog(tmp_path, LogOptions(attention=True, features=True)))
    (block,) = read_episodes(tmp_path)
    assert {field.name for field in FIELDS} == {name.partition("/")[0] for name in block.arrays}
    for name, array in block.arrays.items():
        field, told = field_of(name), block.about["arrays"][name]
        assert field is not None
        assert told["description"] == field.description
        assert told["shape"] == list(array.shape)
        assert told["dtype"] == array.dtype.name
    assert block.about["version"] == VERSION


@pytest.mark.parametrize("options", [{"every": 0}, {"max_bytes": 0}, {"sample_every": 0}])
def test_options_that_make_no_sense_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be at least 1"):
        LogOptions(**options)


def test_a_run_with_the_log_on_tells_its_size_and_whose_it_is(tmp_path: Path) -> None:
    settings = load_settings("mvp", ["total_steps=80", "policy.width=16", "episodes.every=1", "evaluation.interval=80"])
    notices: list[str] = []
    run(settings, tmp_path / "run", notice=notices.append)
    assert len(notices) == 1
    assert "MB at most" in notices[0]
    log = read_episodes(tmp_path / "run")
    assert len(log.column("episodes")) == 80
    assert log.about["seed"] == 0
    assert log.about["settings"]["policy"]["width"] == 16
    assert "git" in log.about["versions"]
    with np.load(tmp_path / "run/episodes/block-000000.npz", allow_pickle=False) as arrays:
        assert arrays["rewards"].shape == (80,)


def test_a_run_keeps_no_episodes_unless_it_is_asked_to(tmp_path: Path) -> None:
    run(load_settings("mvp", ["total_steps=16", "policy.width=16"]), tmp_path / "run")
    assert not (tmp_path / "run/episodes").exists()


def test_a_run_that_was_stopped_continues_its_log_to_the_same_files(tmp_path: Path) -> None:
    settings = load_settings(
        "mvp",
        [
            "total_steps=480",
            "env.arguments.horizon=3",
            "policy.width=16",
            "evaluation.interval=240",
            "episodes.every=1",
            "episodes.features=true",
            "episodes.sample_every=7",
        ],
    )
    run(settings, tmp_path / "whole")
    asked = iter(range(100))
    with pytest.raises(RunStopped):
        run(settings, tmp_path / "cut", stop=lambda: "enough" if next(asked) > 8 else None)
    assert 0 < len(read_episodes(tmp_path / "cut").column("episodes")) < 150
    run(settings, tmp_path / "cut")
    files = [(tmp_path / name / "episodes/block-000000.npz").read_bytes() for name in ("whole", "cut")]
    assert files[0] == files[1]


def test_on_a_full_disk_the_blocks_before_stay_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def replace_file(path: Path, content: bytes) -> None:
        if len(written) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        path.write_bytes(content)

    monkeypatch.setattr("wmil_agents.runs.episode_block.replace_file", replace_file)
    with pytest.raises(OSError, match="No space left"):
        model_of(n_envs=256).learn(256 * 100, EpisodeLog(tmp_path, LogOptions(max_bytes=500_000)))
    monkeypatch.undo()
    assert len(read_episodes(tmp_path).abouts) == 2
    assert len(read_episodes(tmp_path).column("rewards")) > 0
