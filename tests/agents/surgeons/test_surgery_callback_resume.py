"""Learner and surgeon, continued in a new process from each checkpoint, have the bits that they would have had."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parent / "surgery_callback_resume_program.py"
NAMES = ["reinforce-sac", "ppo-evolution", "dqn-careless"]


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, fork_server: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What took place, and what differs after continuing; all in two processes."""
    folder = tmp_path_factory.mktemp("operated")
    begun = fork_server.run(PROGRAM, "begin", str(folder), *NAMES, folder=folder, warnings_are_errors=True)
    command = [sys.executable, "-W", "error", str(PROGRAM), "continue", str(folder), *NAMES]
    return told(begun), told(subprocess.run(command, capture_output=True, text=True, check=False))


@pytest.mark.parametrize("name", NAMES)
def test_the_interrupted_runs_are_worth_comparing(name: str, found: Any) -> None:
    assert found[0][name]["EXCLUSIVE"] >= 5
    assert found[0][name]["JOINT"] >= 2
    assert found[0][name]["kept"] >= 2


@pytest.mark.parametrize("name", NAMES)
def test_a_continued_run_equals_an_uninterrupted_one_in_each_phase(name: str, found: Any) -> None:
    assert {place: differences[:5] for place, differences in found[1][name].items() if differences} == {}
    assert len(found[1][name]) == 4  # three at the start of rollouts, one amid the exclusive phase
