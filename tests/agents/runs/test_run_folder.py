from pathlib import Path

import numpy as np
import pytest

from wmil_agents.evaluation.policy_table import policy_table
from wmil_agents.evaluation.world_model_errors import WorldModelErrors
from wmil_agents.runs import run_folder
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run import run
from wmil_agents.runs.run_folder import begin_folder, load_run
from wmil_agents.runs.settings_sources import load_settings
from wmil_agents.runs.standing import default_folder

SHORT = ["total_steps=160", "evaluation.interval=80", "policy.width=16"]
ROWS = np.array([[symbol, 0, 0] for symbol in range(8)], dtype=np.int32)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(load_settings("mvp", SHORT), folder)
    return folder


def test_the_loaded_policy_is_the_trained_one(tmp_path: Path) -> None:
    result = run(load_settings("mvp", SHORT), tmp_path / "run")
    loaded = load_run(tmp_path / "run").evaluate()
    for name in ("success", "episode_return", "entropy"):
        assert float(getattr(loaded, name)) == float(getattr(result.evaluation, name))
    assert isinstance(loaded.world_model, WorldModelErrors)
    assert loaded.world_model.to_dict() == result.evaluation.world_model.to_dict()


def test_the_loaded_policy_is_not_the_untrained_one(finished: Path) -> None:
    experiment = load_run(finished)
    assert np.ptp(policy_table(experiment.model, ROWS)) > 0.1


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(InputError, match="is not empty, and holds no run"):
        run(load_settings("mvp", SHORT), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="is not a folder"):
        run(load_settings("mvp", SHORT), tmp_path / "file" / "run")
    with pytest.raises(InputError, match="is not a folder"):
        run(load_settings("mvp", SHORT), tmp_path / "file")


def test_a_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder.os, "access", lambda path, mode: False)  # the superuser may write anywhere
    with pytest.raises(InputError, match="cannot be written to"):
        run(load_settings("mvp", SHORT), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    run(load_settings("mvp", SHORT), tmp_path)
    assert (tmp_path / "verdict.json").is_file()


def test_the_default_folder_is_that_of_the_same_settings_or_counts_on(tmp_path: Path) -> None:
    settings, others = load_settings("mvp", ["seed=4"]), load_settings("mvp", ["seed=4", "policy.width=32"])
    assert default_folder(settings, tmp_path) == tmp_path / "mvp-4"
    begin_folder(tmp_path / "mvp-4", settings)
    (tmp_path / "mvp-4-2").mkdir()
    (tmp_path / "mvp-4-2" / "mine.txt").write_text("precious", encoding="utf-8")
    begin_folder(tmp_path / "mvp-4-3", others)
    assert default_folder(settings, tmp_path) == tmp_path / "mvp-4"
    assert default_folder(others, tmp_path) == tmp_path / "mvp-4-3"
    assert default_folder(load_settings("mvp", ["seed=4", "n_envs=4"]), tmp_path) == tmp_path / "mvp-4-4"


@pytest.mark.parametrize("missing", ["settings.yaml", "policy.safetensors"])
def test_what_is_no_finished_run_is_refused(finished: Path, tmp_path: Path, missing: str) -> None:
    for name in {"settings.yaml", "policy.safetensors"} - {missing}:
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    with pytest.raises(InputError, match=f"has no {missing}"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("policy.safetensors", b"not weights", "does not hold this policy"),
        ("settings.yaml", b"a: [", "not valid YAML"),
        ("settings.yaml", b"- 1", "settings by name"),
        ("settings.yaml", b"name: run\n", "its names and shapes are not those of settings.yaml"),
    ],
)
def test_a_damaged_run_is_refused(finished: Path, tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    for kept in ("settings.yaml", "policy.safetensors"):
        (tmp_path / kept).write_bytes((finished / kept).read_bytes())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence) as error:
        load_run(tmp_path)
    assert "\n" not in str(error.value)
