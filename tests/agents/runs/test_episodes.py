"""Reading an episode log: what is there, and what somebody put there."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from stable_baselines3 import PPO

from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.runs import read_episodes
from wmil_agents.runs.episode_block import MAX_BLOCK_BYTES, encode
from wmil_agents.runs.episode_layout import LogOptions
from wmil_agents.runs.episode_log import EpisodeLog
from wmil_agents.runs.input_error import InputError
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of some blocks, of episodes with three steps."""
    folder = tmp_path_factory.mktemp("log")
    env = make_batch_vec_env("wmil_envs:WMIL/PatternEcho-v0", 8, seed=0, horizon=3)
    kwargs = {"features_extractor_kwargs": {"width": 16, "n_layers": 1, "n_heads": 2}}
    model = PPO(TransformerPolicy, env, n_steps=64, batch_size=256, n_epochs=1, policy_kwargs=kwargs, seed=0)
    model.learn(3_000, EpisodeLog(folder, LogOptions(max_bytes=200_000, features=True)))
    assert len(list(folder.glob("*.npz"))) >= 4
    return folder


@pytest.fixture
def log(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "log"))


def test_all_episodes_are_there_in_order(log: Path) -> None:
    episodes = read_episodes(log)
    numbers = episodes.column("episodes")
    assert numbers.tolist() == list(range(len(numbers)))
    assert (np.diff(episodes.column("episode_end_steps")) >= 0).all()
    assert episodes.episode_lengths().tolist() == [3] * len(numbers)
    assert len(episodes.column("rewards")) == 3 * len(numbers)


def test_the_folder_of_a_run_will_do(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "run/episodes")
    assert len(read_episodes(tmp_path / "run").column("episodes")) > 0


@pytest.mark.parametrize(("first", "stop"), [(0, 1), (5, 300), (300, None), (0, 0), (10_000, None), (250, 251)])
def test_a_range_is_cut_out_to_the_episode(log: Path, first: int, stop: int | None) -> None:
    everything = [one for block in read_episodes(log) for one in block.episodes()]
    some = [one for block in read_episodes(log, first, stop) for one in block.episodes()]
    wanted = everything[first:stop]
    assert [one["episodes"] for one in some] == [one["episodes"] for one in wanted]
    assert all(np.array_equal(a["observations"], b["observations"]) for a, b in zip(some, wanted, strict=True))


def test_blocks_outside_of_a_range_are_not_opened(log: Path) -> None:
    (log / "block-000000.npz").write_bytes(b"damaged")
    last = read_episodes(log).abouts[-1]["first_episode"]
    assert len(read_episodes(log, last).column("episodes")) > 0
    with pytest.raises(InputError, match=r"block-000000.npz cannot be read"):
        read_episodes(log, 0, 1).column("episodes")


def test_columns_belong_together(log: Path) -> None:
    features, observations = read_episodes(log).columns("sample_features", "sample_observations")
    assert len(features) == len(observations)
    with pytest.raises(KeyError, match="no block of this log has all of"):
        read_episodes(log).columns("sample_attention", "sample_features")


def test_an_array_that_is_not_there_is_named(log: Path) -> None:
    with pytest.raises(KeyError, match="this log has no 'attention'; it has actions"):
        read_episodes(log).column("attention")
    with pytest.raises(KeyError, match="this log has no 'attention'"):
        next(iter(read_episodes(log)))["attention"]
    with pytest.raises(ValueError, match="counts anew in every block"):
        read_episodes(log).column("episode_starts")


@pytest.mark.parametrize(("first", "stop"), [(-1, None), (5, 4)])
def test_what_is_no_range_is_refused(log: Path, first: int, stop: int) -> None:
    with pytest.raises(InputError, match="are no range"):
        read_episodes(log, first, stop)


def test_a_folder_without_a_log_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no episode log: switch it on with episodes.every=1"):
        read_episodes(tmp_path)


def test_a_missing_block_is_named(log: Path) -> None:
    (log / "block-000001.json").unlink()
    with pytest.raises(InputError, match=r"lacks block-000001.json, but has block-000002.json"):
        read_episodes(log)


def test_a_block_whose_sidecar_was_not_written_yet_does_not_count(log: Path) -> None:
    newest = sorted(log.glob("block-*.json"))[-1]
    newest.unlink()
    (log / ".block-000099.npz.unfinished").write_bytes(b"half")
    assert len(read_episodes(log).column("episodes")) > 0


def edited(log: Path, change: Callable[[dict], object]) -> None:
    path = log / "block-000000.json"
    about = json.loads(path.read_text())
    change(about)
    path.write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda about: about.update(version=99), "install a newer wmil-agents"),
        (lambda about: about.update(version="1"), "it was changed or damaged"),
        (lambda about: about.update(schema="other"), "is no sidecar of an episode log"),
        (lambda about: about.update(n_steps=-1), "does not say what its block holds"),
        (lambda about: about.update(n_steps=True), "does not say what its block holds"),
        (lambda about: about.pop("arrays"), "does not say what its block holds"),
        (lambda about: about.update(block=3), "was renamed or changed"),
    ],
)
def test_a_foreign_newer_or_changed_sidecar_is_refused(
    log: Path, change: Callable[[dict], object], sentence: str
) -> None:
    edited(log, change)
    with pytest.raises(InputError, match=sentence):
        read_episodes(log)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "null", '{"schema": "wmil-episodes"', "\xff"])
def test_a_sidecar_that_is_no_document_is_refused(log: Path, text: str) -> None:
    (log / "block-000000.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"block-000000.json"):
        read_episodes(log)


def test_a_sidecar_of_any_size_is_refused(log: Path) -> None:
    with (log / "block-000000.json").open("r+b") as file:
        file.truncate(2**25)
    with pytest.raises(InputError, match="larger than any sidecar"):
        read_episodes(log)


def first_arrays(log: Path) -> dict[str, np.ndarray]:
    return dict(next(iter(read_episodes(log))).arrays)


def refused(log: Path, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_episodes(log).column("rewards")


class Bomb:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("executed"),))


@pytest.mark.parametrize("member", ["rewards.npy", "another.npy"])
def test_a_pickle_is_not_executed(log: Path, member: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = log / "block-000000.npz"
    content = io.BytesIO()
    np.lib.format.write_array(content, np.array([Bomb()], dtype=object), allow_pickle=True)
    for planted in (content.getvalue(), pickle.dumps(Bomb())):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, planted)
        refused(log, r"block-000000.npz cannot be read")
    assert not (tmp_path / "executed").exists()


def test_every_flipped_byte_is_noticed_or_changes_no_array(log: Path) -> None:
    path, whole = log / "block-000000.npz", first_arrays(log)
    original = path.read_bytes()
    rng = np.random.default_rng(0)
    ends = [*range(0, 200, 7), *range(len(original) - 200, len(original), 7)]
    for place in [*ends, *rng.integers(0, len(original), 60)]:
        changed = bytearray(original)
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        try:
            found = first_arrays(log)
        except InputError:
            continue
        assert all(np.array_equal(found[name], array) for name, array in whole.items())


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(log: Path, share: float) -> None:
    path = log / "block-000000.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(log, "cannot be read")


def test_a_missing_file_is_refused(log: Path) -> None:
    (log / "block-000000.npz").unlink()
    refused(log, "cannot be read")


def test_a_compressed_bomb_is_refused_before_it_is_opened(log: Path) -> None:
    with zipfile.ZipFile(log / "block-000000.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rewards.npy", bytes(50_000_000))
    refused(log, "members that are compressed")


def test_a_header_that_promises_more_than_there_is_allocates_nothing(log: Path) -> None:
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
    with zipfile.ZipFile(log / "block-000000.npz", "w") as archive:
        archive.writestr("rewards.npy", content.getvalue())
    refused(log, "which is not what it holds")


def test_a_file_that_is_too_large_is_refused(log: Path) -> None:
    with (log / "block-000000.npz").open("r+b") as file:
        file.truncate(MAX_BLOCK_BYTES + 1)
    refused(log, "more than the")


def test_names_with_paths_in_them_are_refused_and_nothing_is_written(log: Path, tmp_path: Path) -> None:
    arrays = first_arrays(log)
    (log / "block-000000.npz").write_bytes(encode({**arrays, "../../planted": np.zeros(1)}))
    refused(log, "does not hold the arrays")
    assert not list(tmp_path.rglob("planted*"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rewards", np.zeros(1, np.float32)),
        ("episode_starts", np.array([0, 10**9])),
        ("episodes", np.zeros(3, np.int64)),
        ("rewards", np.float32(3.0)),
    ],
)
def test_arrays_that_do_not_fit_one_another_are_refused(log: Path, name: str, value: np.ndarray) -> None:
    arrays = first_arrays(log) | {name: np.asarray(value)}
    (log / "block-000000.npz").write_bytes(encode(arrays))

    def describe(about: dict) -> None:
        about["arrays"][name] = {"shape": list(arrays[name].shape), "dtype": arrays[name].dtype.name}

    edited(log, describe)
    refused(log, "its arrays do not fit one another")


def test_the_note_of_an_end_that_cannot_be_read_says_so(log: Path) -> None:
    (log / "stopped.json").write_text("{")
    with pytest.raises(InputError, match=r"stopped.json cannot be read"):
        _ = read_episodes(log).stopped
