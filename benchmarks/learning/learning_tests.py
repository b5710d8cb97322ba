"""CPU time of the tests in which our algorithms learn over twenty seeds, one process with one thread."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from benchmarks import machine
from benchmarks.figure import Figure
from benchmarks.program import run_program

TESTS, NAMED = "tests/agents", "twenty_seeds"
"""What is in a test's name that learns over twenty seeds."""
BOUND = 90.0


def measure(short: bool) -> list[Figure]:
    """One run of them, in the short form too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    n_tests = run_tests()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    note = f"{n_tests} tests, the start of the interpreter and the collection of tests included"
    return [Figure("Learning tests over 20 seeds, all of them", seconds, "CPU s", BOUND, note=note)]


def run_tests() -> int:
    """How many there were; raises where one fails or none was found."""
    command = [sys.executable, "-m", "pytest", TESTS, "-k", NAMED, "-q", "-m", "", "-p", "no:cacheprovider"]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(command, cwd=machine.ROOT, env=one_thread, capture_output=True, text=True)
    last = answer.stdout.strip().rpartition("\n")[2]
    if answer.returncode != 0:
        raise RuntimeError(f"the learning tests did not pass: {last or answer.stderr}")
    return int(last.partition(" passed")[0].split()[-1])


if __name__ == "__main__":
    run_program("benchmarks.learning.learning_tests", measure, __doc__)
