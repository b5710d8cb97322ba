"""Measures every figure and writes `benchmarks/results/latest/`: a page, and a CSV file for each program.

A copy is kept in `benchmarks/results/<date>-<commit>/`; the README's tables are written anew. The peers are
measured too where any of them is installed.
"""

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
from benchmarks.pace import pace
from benchmarks.peers.installation import absence
from benchmarks.peers.peer import PEERS
from benchmarks.peers.report import PAGE
from benchmarks.readme import write_readme
from benchmarks.results_folder import LATEST, RUNS, keep, note_run, runs_table
from benchmarks.table import page, read_csv, write_csv

PROGRAMS = {
    "learning": "benchmarks.learning_figures",
    "event_replay": "benchmarks.learning.event_replay",
    "top_levels": "benchmarks.learning.top_levels",
    "world_model_skill": "benchmarks.learning.world_model_skill",
    "cartpole": "benchmarks.learning.cartpole_figures",
    "learning_tests": "benchmarks.learning.learning_tests",
    "training": "benchmarks.speed.training",
    "updates": "benchmarks.speed.updates",
    "auxiliary_losses": "benchmarks.speed.auxiliary_losses",
    "environments": "benchmarks.speed.environments",
    "vec_env": "benchmarks.speed.vec_env",
    "surgery": "benchmarks.speed.surgery",
    "episode_log": "benchmarks.speed.episode_log",
    "evaluation": "benchmarks.speed.evaluation",
    "reports": "benchmarks.speed.reports",
    "checkpoints": "benchmarks.speed.checkpoints",
    "imports": "benchmarks.speed.imports",
}
ONLY_IN_FULL = ("top_levels", "world_model_skill", "cartpole", "learning_tests", "training", "episode_log")
"""Left out of the short form unless asked for by name: three quarters of a minute or more, for a single seed."""
PEERS_PROGRAM = "peers"
METHOD = (
    "Medians over the repeats. Times are CPU time of one process with one thread unless the last column says wall "
    "time; each ratio is of calls that took turns in one run. The spread is the quartiles, unless the last column says "
    "otherwise."
)


def main() -> int:
    """Runs the programs, each in a process of its own; 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all the repeats and seeds that the figures ask for")
    parser.add_argument("--only", nargs="+", choices=[*PROGRAMS, PEERS_PROGRAM], help="some programs")
    parser.add_argument("--results", type=Path, help="write there alone, not into a dated folder and latest/")
    chosen = parser.parse_args()
    folder = chosen.results or LATEST
    programs = chosen.only or programs_of(chosen.full)
    figures: list[Figure] = []
    failed: list[str] = []
    for name in PROGRAMS:
        if name not in programs:
            if (folder / f"{name}.csv").is_file():
                figures += read_csv(folder / f"{name}.csv")
            continue
        print(f"{name}: python -m {PROGRAMS[name]}{'' if chosen.full else ' --short'}", flush=True)
        measured = figures_of(PROGRAMS[name], folder, short=not chosen.full)
        if measured is None:
            failed.append(name)
            continue
        write_csv(folder / f"{name}.csv", measured)
        note_run(folder, name, short=not chosen.full)
        figures += measured
    if PEERS_PROGRAM in programs and not compare_with_peers(folder, short=not chosen.full):
        failed.append(PEERS_PROGRAM)
    runs = runs_table(folder, [*PROGRAMS, PEERS_PROGRAM])
    text = results_page(figures, failed, runs, chosen.only, chosen.full, (folder / PAGE).is_file(), pace(folder))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(text)
    print(text)
    if PEERS_PROGRAM in programs and PEERS_PROGRAM not in failed:
        print((folder / PAGE).read_text())
    if chosen.results is None:
        patterns = ["README.md", RUNS, *(f"{name}*" for name in programs)]
        kept = keep([path for pattern in patterns for path in folder.glob(pattern)], short=not chosen.full)
        write_readme()
        print(f"Kept in {kept.name}/, and shown in the README")
    return 1 if failed else 0


def programs_of(full: bool) -> list[str]:
    """Names of what is measured where nothing is asked for by name."""
    own = [name for name in PROGRAMS if full or name not in ONLY_IN_FULL]
    return [*own, *([PEERS_PROGRAM] if installed_peers() else [])]


def installed_peers() -> list[str]:
    """Names of the peers that can take part."""
    return [name for name in PEERS if not absence(name)]


def compare_with_peers(folder: Path, *, short: bool) -> bool:
    """Measures ours beside the peers and writes their tables; whether that succeeded."""
    options = ["--results", str(folder), *(["--short"] if short else [])]
    command = [sys.executable, "-m", "benchmarks.peers", "run", *options]
    print(f"{PEERS_PROGRAM}: {shlex.join(['python', *command[1:]])}", flush=True)
    answer = subprocess.run(command, cwd=machine.ROOT, stdout=subprocess.DEVNULL)
    if answer.returncode != 0:
        print(f"  failed: {shlex.join(command)}", file=sys.stderr)
    return answer.returncode == 0


def figures_of(module: str, runs: Path, *, short: bool) -> list[Figure] | None:
    """What a program measures in a fresh process with one thread; None if it fails, its complaint shown.

    Args:
        module: the program.
        runs: where it writes what each of its runs did, if it does.
        short: whether its short form is enough.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        options = ["--json", str(file), "--runs", str(runs.resolve()), *(["--short"] if short else [])]
        command = [sys.executable, "-m", module, *options]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        answer = subprocess.run(command, cwd=machine.ROOT, env=one_thread, stdout=subprocess.DEVNULL)
        if answer.returncode != 0:
            print(f"  failed: {shlex.join(command)}", file=sys.stderr)
            return None
        return [Figure.from_dict(row) for row in json.loads(file.read_text())]


def results_page(
    figures: list[Figure],
    failed: list[str],
    runs: str,
    only: list[str] | None,
    full: bool,
    peers: bool,
    pace_here: str = "",
) -> str:
    """The page: what has a bound first, then what is there to compare with."""
    form = "full" if full else "short"
    words = ["./dev.sh", "bench", *(["--full"] if full else []), *(["--only", *only] if only else [])]
    command = f"Written by `{shlex.join(words)}` ({form} form)."
    beside = f"is in `{PAGE}`, beside this page" if peers else "needs `python -m benchmarks.peers install`"
    remarks = [command, METHOD, *filter(None, [pace_here]), f"The comparison with other libraries {beside}."]
    if failed:
        remarks.append(f"**Not measured, because the program failed: {', '.join(failed)}.**")
    return page("Figures", remarks, machine.description(), figures, runs)


if __name__ == "__main__":
    sys.exit(main())
