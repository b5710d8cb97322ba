"""The notebooks run as scripts, and say what they are about."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("marimo")

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("explore_run", ("800 episodes", "symbol: accuracy", "effect of hiding a token", "calibration error")),
        pytest.param(
            "compare_runs",
            ("world_model.scale: 0.2 against 0.0", "first step at 95 %", "answers right", "One run"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_notebook_runs_as_a_script(name: str, words: tuple[str, ...], fork_server: Any, tmp_path: Path) -> None:
    result = fork_server.run(NOTEBOOKS / f"{name}.py", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    for word in words:
        assert word in result.stdout


def test_every_notebook_is_tried() -> None:
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.py")) == ["compare_runs", "explore_run"]


@pytest.mark.parametrize("name", ["explore_run", "compare_runs"])
def test_marimo_finds_nothing_wrong(name: str) -> None:
    command = [sys.executable, "-m", "marimo", "check", "--strict", str(NOTEBOOKS / f"{name}.py")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
