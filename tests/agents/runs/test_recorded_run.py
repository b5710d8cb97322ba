import json
from pathlib import Path

import pytest
import yaml

from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.recorded_run import find_runs, read_run
from wmil_agents.runs.settings_sources import load_settings


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    settings = load_settings("mvp", ["seed=3"]).model_dump(mode="json")
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    return folder


def test_what_is_not_there_yet_is_empty(run: Path) -> None:
    found = read_run(run)
    assert found.settings.seed == 3
    assert (found.metrics, found.progress, found.verdict, found.criteria, found.last_step) == ({}, {}, None, [], 0)


def test_what_is_there_is_read(run: Path) -> None:
    (run / "metrics.csv").write_text("step,success\n0,0.1\n40,\n80,0.5\n")
    (run / "verdict.json").write_text(json.dumps({"reached": True, "criteria": [{"statement": "a"}, 3]}))
    found = read_run(run)
    assert found.last_step == 80
    assert found.metrics["success"][0] == 0.1
    assert found.criteria == [{"statement": "a"}]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("verdict.json", b"{", "it is no JSON"),
        ("verdict.json", b"\xff\xfe", "it is no JSON"),
        ("levels.json", b"[" * 100_000, "it is no JSON"),
        ("parent.json", b"[]", "it holds no object"),
        ("metrics.csv", b"step\n\xff", "cannot be read"),
    ],
)
def test_a_damaged_file_is_named(run: Path, name: str, content: bytes, words: str) -> None:
    (run / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_run(run)


def test_settings_that_repeat_themselves_into_any_number_are_refused(run: Path) -> None:
    levels = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    levels += [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    (run / "settings.yaml").write_text("env:\n  arguments:\n" + "".join(f"    {level}\n" for level in levels))
    with pytest.raises(InputError, match="more than 10,000 values"):
        read_run(run)


def test_a_folder_that_is_no_run_is_refused_or_searched(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"it has no settings\.yaml"):
        read_run(tmp_path)
    assert find_runs([tmp_path]) == [run]
    assert find_runs([run, tmp_path, run]) == [run]
    with pytest.raises(InputError, match="nor one of runs"):
        find_runs([tmp_path / "other"])
