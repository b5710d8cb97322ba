"""How long the imports and the first words of the command take, each time in a fresh process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.figure import Figure
from benchmarks.program import run_program

IMPORT_BOUND, HELP_BOUND = 60.0, 300.0
"""Milliseconds."""
TIMED_IMPORT = """
import time
start = time.process_time(); import gymnasium; middle = time.process_time(); import {package}; end = time.process_time()
print((middle - start) * 1e3, (end - middle) * 1e3)
"""


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    n_processes = 7 if short else 25
    of_gymnasium, of_envs = zip(*(import_milliseconds("wmil_envs") for _ in range(n_processes)), strict=True)
    _, of_agents = zip(*(import_milliseconds("wmil_agents") for _ in range(n_processes)), strict=True)
    help_times = [help_milliseconds() for _ in range(n_processes)]
    return [
        figure("import gymnasium", of_gymnasium, None),
        figure("import wmil_envs, beyond gymnasium's own import", of_envs, IMPORT_BOUND),
        figure("import wmil_agents, beyond gymnasium's own import", of_agents, None),
        figure("wmil --help, the whole process", help_times, HELP_BOUND, "wall time"),
    ]


def import_milliseconds(package: str) -> tuple[float, float]:
    """CPU time of importing gymnasium, then the package."""
    code = TIMED_IMPORT.format(package=package)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = answer.stdout.split()
    return float(first), float(second)


def help_milliseconds() -> float:
    """Wall time of `wmil --help`, Python's own start included."""
    command = [sys.executable, "-c", "from wmil_agents.cli.main import app; app()", "--help"]
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return (time.perf_counter() - start) * 1e3


def figure(
    name: str, milliseconds: tuple[float, ...] | list[float], bound: float | None, clock: str = "CPU time"
) -> Figure:
    """The median over the processes."""
    low, _, high = statistics.quantiles(milliseconds, n=4)
    median = statistics.median(milliseconds)
    return Figure(name, median, "ms", bound, "less", low, high, len(milliseconds), f"{clock}, fresh processes")


if __name__ == "__main__":
    run_program("benchmarks.speed.imports", measure, __doc__)
