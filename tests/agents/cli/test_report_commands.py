import importlib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from wmil_agents.cli.main import app

RUNNER = CliRunner()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two runs in it, in the current folder."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))
    monkeypatch.chdir(tmp_path)
    benchmark: Any = importlib.import_module("benchmarks.speed.reports")
    for seed in range(2):
        benchmark.made_up_run(tmp_path / "runs" / str(seed), [], seed, 10)
    return Path("runs")


def test_a_report_is_written_beside_what_it_is_about(runs: Path) -> None:
    result = RUNNER.invoke(app, ["report", str(runs)])
    assert result.exit_code == 0
    assert result.stdout == "mvp: 2 runs\nThe report is runs/report.html\n"
    assert (runs / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "The report is report.html" in RUNNER.invoke(app, ["report", str(runs / "0"), str(runs / "1")]).stdout
    assert "The report is other.html" in RUNNER.invoke(app, ["report", str(runs), "--out", "other.html"]).stdout


def test_a_figure_is_written(runs: Path) -> None:
    pytest.importorskip("matplotlib")
    result = RUNNER.invoke(app, ["plot", str(runs), "--figure", "score", "--out", "score.svg"])
    assert (result.exit_code, result.stdout) == (0, "The figure is score.svg\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["report", "nothing"], "nothing is not the folder of a run"),
        (["plot", "runs", "--figure", "scores", "--out", "a.svg"], "did you mean 'score'?"),
        (["export", "runs/0", "--out", "out"], "has no policy.safetensors"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(runs: Path, words: list[str], sentence: str) -> None:
    result = RUNNER.invoke(app, words)
    assert result.exit_code == 2
    assert result.stderr.startswith("wmil: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
