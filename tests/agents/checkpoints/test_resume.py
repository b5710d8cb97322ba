"""A run continued in a new process has the bits of one that was never interrupted, from each of its checkpoints."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
NAMES = list(runpy.run_path(str(HERE / "scenarios.py"))["SCENARIOS"])


def ask(command: str, folder: Path) -> Any:
    program = [sys.executable, "-W", "error", str(HERE / "resume_program.py"), command, str(folder), *NAMES]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What writing checkpoints changed, and what differs after continuing; all models in two processes."""
    folder = tmp_path_factory.mktemp("runs")
    return ask("begin", folder), ask("continue", folder)


@pytest.mark.parametrize("name", NAMES)
def test_writing_checkpoints_changes_nothing(name: str, found: Any) -> None:
    assert found[0][name] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_continued_run_equals_an_uninterrupted_one(name: str, found: Any) -> None:
    assert [difference for differences in found[1][name].values() for difference in differences] == []
