"""A run that was stopped and is continued in a new process leaves the files of one that was never interrupted."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PROGRAM = HERE / "continue_program.py"
NAMES = list(runpy.run_path(str(HERE / "run_cases.py"))["CASES"])
QUICK = {"mvp", "events", "curriculum"}
"""The others are slow together."""


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=["quick", pytest.param("others", marks=pytest.mark.slow)])
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, fork_server: Any
) -> tuple[Any, Any]:
    """What was wrong in the two processes, by the name of the case; each has hashes of its own."""
    names = [name for name in NAMES if (name in QUICK) is (request.param == "quick")]
    folder = tmp_path_factory.mktemp("runs")
    begun = fork_server.run(PROGRAM, "begin", str(folder), *names, folder=HERE, warnings_are_errors=True)
    command = [sys.executable, "-W", "error", str(PROGRAM), "continue", str(folder), *names]
    other_hashes = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "2"}
    return told(begun), told(subprocess.run(command, capture_output=True, text=True, check=False, env=other_hashes))


def test_a_run_stops_where_it_is_asked_to_and_continues_to_the_same_bits(found: Any) -> None:
    assert [{name: wrong for name, wrong in part.items() if wrong} for part in found] == [{}, {}]
