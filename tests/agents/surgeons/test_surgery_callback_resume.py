"""Learner and surgeon, continued in a new process from each checkpoint, have the bits that they would have had."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parent / "surgery_callback_resume_program.py"
OTHERS = ["ppo-evolution", "dqn-careless"]
"""They are slow together."""


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=[["reinforce-sac"], pytest.param(OTHERS, marks=pytest.mark.slow)], ids=" ".join)
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, fork_server: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What took place, and what differs after continuing, by name; all in two processes."""
    folder = tmp_path_factory.mktemp("operated")
    begun = fork_server.run(PROGRAM, "begin", str(folder), *request.param, folder=folder, warnings_are_errors=True)
    command = [sys.executable, "-W", "error", str(PROGRAM), "continue", str(folder), *request.param]
    return told(begun), told(subprocess.run(command, capture_output=True, text=True, check=False))


def test_the_interrupted_runs_are_worth_comparing(found: Any) -> None:
    for operations in found[0].values():
        assert operations["EXCLUSIVE"] >= 5
        assert operations["JOINT"] >= 2
        assert operations["kept"] >= 2


def test_a_continued_run_equals_an_uninterrupted_one_in_each_phase(found: Any) -> None:
    for by_place in found[1].values():
        assert {place: differences[:5] for place, differences in by_place.items() if differences} == {}
        assert len(by_place) == 4  # three at the start of rollouts, one amid the exclusive phase
