"""Measures every figure and writes `benchmarks/results/latest/`: a page, and a CSV file for each program."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import machine
from benchmarks.figure import Figure
from benchmarks.table import page, write_csv

PROGRAMS = {
    "learning": "benchmarks.learning_figures",
    "training": "benchmarks.speed.training",
    "environments": "benchmarks.speed.environments",
    "vec_env": "benchmarks.speed.vec_env",
    "evaluation": "benchmarks.speed.evaluation",
    "imports": "benchmarks.speed.imports",
}
RESULTS = machine.ROOT / "benchmarks" / "results" / "latest"
METHOD = (
    "Medians over the repeats. Times are CPU time of one process with one thread unless the last column says wall "
    "time; each ratio is of calls that took turns in one run."
)


def main() -> int:
    """Runs the programs, each in a process of its own; 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all the repeats and seeds that the figures ask for")
    parser.add_argument("--only", nargs="+", choices=list(PROGRAMS), default=list(PROGRAMS), help="some programs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write to")
    chosen = parser.parse_args()
    figures: list[Figure] = []
    failed: list[str] = []
    for name in chosen.only:
        print(f"{name}: python -m {PROGRAMS[name]}{'' if chosen.full else ' --short'}", flush=True)
        measured = figures_of(PROGRAMS[name], short=not chosen.full)
        if measured is None:
            failed.append(name)
            continue
        write_csv(chosen.results / f"{name}.csv", measured)
        figures += measured
    text = results_page(figures, failed, chosen.full)
    chosen.results.mkdir(parents=True, exist_ok=True)
    (chosen.results / "README.md").write_text(text)
    print(text)
    return 1 if failed else 0


def figures_of(module: str, *, short: bool) -> list[Figure] | None:
    """What a program measures in a fresh process with one thread; None if it fails, its complaint shown."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        command = [sys.executable, "-m", module, "--json", str(file), *(["--short"] if short else [])]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        answer = subprocess.run(command, cwd=machine.ROOT, env=one_thread, stdout=subprocess.DEVNULL)
        if answer.returncode != 0:
            print(f"  failed: {shlex.join(command)}", file=sys.stderr)
            return None
        return [Figure.from_dict(row) for row in json.loads(file.read_text())]


def results_page(figures: list[Figure], failed: list[str], full: bool) -> str:
    """The page: what has a bound first, then what is there to compare with."""
    form = "full" if full else "short"
    command = f"Written by `./dev.sh bench{' --full' if full else ''}` ({form} form)."
    remarks = [command, METHOD]
    if failed:
        remarks.append(f"**Not measured, because the program failed: {', '.join(failed)}.**")
    return page("Figures", remarks, machine.description(), figures)


if __name__ == "__main__":
    sys.exit(main())
