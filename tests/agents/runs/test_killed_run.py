"""Runs that are killed at random moments are continued to the files of one that was not; none is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("kill_run_program.py")


def killed(folder: Path, case: str, n_kills: int) -> None:
    command = [sys.executable, str(PROGRAM), str(folder), case, str(n_kills), "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == [], done.stderr
    assert told["killed"] == n_kills
    assert told["completed"] >= 1


def test_a_few_kills_change_nothing(tmp_path: Path) -> None:
    killed(tmp_path, "events", 4)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["mvp", "ppo", "curriculum", "events"])
def test_fifty_kills_change_nothing(case: str, tmp_path: Path) -> None:
    killed(tmp_path, case, 50)
