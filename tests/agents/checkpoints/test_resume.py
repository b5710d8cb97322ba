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
PROGRAM = HERE / "resume_program.py"
NAMES = list(runpy.run_path(str(HERE / "scenarios.py"))["SCENARIOS"])
QUICK = {
    "reinforce-events-mastery",
    "ppo-three-losses",
    "ppo-normalised",
    "a2c-stacked",
    "recurrent",
    "dqn-events",
    "dqn-hindsight",
    "sac-normalised-noise",
}
"""One of each kind of algorithm, loss, buffer and wrapper; the others are slow together."""


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=["quick", pytest.param("others", marks=pytest.mark.slow)])
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, fork_server: Any
) -> tuple[Any, Any]:
    """What writing checkpoints changed, and what differs after continuing, by model; all in two processes."""
    names = [name for name in NAMES if (name in QUICK) is (request.param == "quick")]
    folder = tmp_path_factory.mktemp("runs")
    begun = fork_server.run(PROGRAM, "begin", str(folder), *names, folder=HERE, warnings_are_errors=True)
    command = [sys.executable, "-W", "error", str(PROGRAM), "continue", str(folder), *names]
    return told(begun), told(subprocess.run(command, capture_output=True, text=True, check=False))


def test_the_quick_ones_are_among_all() -> None:
    assert set(NAMES) > QUICK


def test_writing_checkpoints_changes_nothing(found: Any) -> None:
    assert {name: differences for name, differences in found[0].items() if differences} == {}


def test_a_continued_run_equals_an_uninterrupted_one(found: Any) -> None:
    by_model = {name: [one for found_at in steps.values() for one in found_at] for name, steps in found[1].items()}
    assert {name: differences for name, differences in by_model.items() if differences} == {}
