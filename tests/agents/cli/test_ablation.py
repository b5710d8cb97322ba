from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from stable_baselines3 import PPO
from typer.testing import CliRunner

from wmil_agents.cli.main import app
from wmil_agents.runs.experiment import Experiment
from wmil_agents.runs.run import run
from wmil_agents.runs.run_folder import load_run
from wmil_agents.runs.settings_sources import load_settings

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "echo"
    small = ["total_steps=800", "policy.width=16", "policy.n_heads=2", "evaluation.interval=400"]
    run(load_settings("mvp", small), folder)
    return folder


def wmil(*words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    result = RUNNER.invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "ablation.csv").open(newline="") as file:
        return {row["part"]: row for row in csv.DictReader(file)}


def test_a_run_is_ablated_into_its_folder(finished: Path) -> None:
    weights = (finished / "policy.safetensors").read_bytes()
    code, out, _ = wmil("ablate", finished)
    assert code == 0
    assert "level 1: all symbols" in out
    assert "chance 0.1250" in out
    rows, document = rows_of(finished), json.loads((finished / "ablation.json").read_text())
    printed = [line.split("  ")[0].strip() for line in out.splitlines()]
    order = [name for name in printed if name in rows]
    assert order[0] == "symbol"
    assert order[-2:] == ["nothing (strength 0)", "everything"]
    drops = [float(rows[name]["success_drop"]) for name in order[:-2]]
    assert drops == sorted(drops, reverse=True)
    assert len(drops) == len(document["parts"]) == 4 + 2 + 2 + 4
    assert float(rows["nothing taken away"]["success"]) == load_run(finished).evaluate().success
    assert rows["nothing (strength 0)"]["success_drop"] == "0.0"
    assert float(rows["everything"]["success"]) == pytest.approx(1 / 8)
    assert (finished / "policy.safetensors").read_bytes() == weights
    written = ["ablation.csv", "ablation.json", "ablation.svg"]
    assert out.split("Written: ")[1].strip().split(", ") == [str(finished / name) for name in written]


def test_another_level_pairs_and_another_folder(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "some" / "where"
    code, told, _ = wmil("ablate", finished, "--level", 0, "--pairs", "--out", out)
    assert code == 0
    assert "level 0: half of the symbols" in told
    assert "beyond each alone" in told
    assert float(rows_of(out)["nothing taken away"]["success"]) == load_run(finished).evaluate(level=0).success
    assert len(json.loads((out / "ablation.json").read_text())["pairs"]) == 6


def test_estimates_have_their_intervals(finished: Path, tmp_path: Path) -> None:
    code, told, _ = wmil("ablate", finished, "--episodes", 40, "--out", tmp_path)
    assert code == 0
    assert "(n = 40)" in told
    assert "95 % interval" in told
    row = rows_of(tmp_path)["symbol"]
    assert float(row["success_drop_low"]) < float(row["success_drop"]) < float(row["success_drop_high"])


def test_a_run_that_has_not_ended_is_refused(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "verdict.json").unlink()
    code, _, told = wmil("ablate", tmp_path / "run", "--out", tmp_path / "out")
    assert code == 2
    assert "has not ended" in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_used_is_one_sentence(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for words, sentence in (
        ([tmp_path], "is not the folder of a run"),
        ([finished, "--level", 7], "has the levels 0"),
        ([finished, "--out", tmp_path / "file"], "is not a folder"),
    ):
        code, _, told = wmil("ablate", *words)
        assert code == 2
        assert sentence in told
        assert told.count("\n") == 1


def test_a_policy_without_a_transformer_is_refused(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_another_policy(folder: Path, *, level: int | None = None) -> Experiment:
        experiment = load_run(folder, level=level)
        experiment.model = PPO("MlpPolicy", experiment.env, device="cpu")
        return experiment

    monkeypatch.setattr("wmil_agents.cli.ablation.load_run", with_another_policy)
    code, _, told = wmil("ablate", finished, "--out", tmp_path)
    assert code == 2
    assert "has no attention heads" in told


def test_without_matplotlib_the_tables_are_written(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wmil_agents.cli.ablation.matplotlib_is_installed", lambda: False)
    code, told, _ = wmil("ablate", finished, "--out", tmp_path)
    assert code == 0
    assert "No picture was drawn: pip install 'wmil-agents[report]'" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ablation.csv", "ablation.json"]
