"""Processes that are killed at random moments lose no run and leave no checkpoint that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parent / "kill_program.py"


def killed(fork_server: Any, folder: Path, name: str, n_kills: int) -> None:
    done = fork_server.run(PROGRAM, str(folder), name, str(n_kills), "0", folder=folder, seconds=3_600)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["killed"] == n_kills
    assert told["completed"] >= 1
    assert told["wrong"] == []


def test_a_few_kills_change_nothing(fork_server: Any, tmp_path: Path) -> None:
    killed(fork_server, tmp_path, "dqn-events", 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["reinforce-world-model-shuffled", "ppo-three-losses", "recurrent", "sac-normalised-noise"]
)
def test_fifty_kills_change_nothing(name: str, fork_server: Any, tmp_path: Path) -> None:
    killed(fork_server, tmp_path, name, 50)
