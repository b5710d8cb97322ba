"""Runs that are killed at random moments are continued to the files of one that was not; none is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("kill_run_program.py")


def killed(fork_server: Any, folder: Path, case: str, n_kills: int) -> None:
    done = fork_server.run(PROGRAM, str(folder), case, str(n_kills), "0", folder=folder, seconds=3_600)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == [], done.stderr
    assert told["killed"] == n_kills
    assert told["completed"] >= 1


def test_a_few_kills_change_nothing(fork_server: Any, tmp_path: Path) -> None:
    killed(fork_server, tmp_path, "events", 4)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["mvp", "ppo", "curriculum", "events"])
def test_fifty_kills_change_nothing(case: str, fork_server: Any, tmp_path: Path) -> None:
    killed(fork_server, tmp_path, case, 50)
