"""Where results lie: `latest/`, and a folder of their own for each date and commit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from benchmarks import machine
from benchmarks.table import rows_as_markdown

RESULTS = machine.ROOT / "benchmarks" / "results"
LATEST = RESULTS / "latest"
RUNS = "runs.json"
"""Which run each program's files in a folder are of."""


def keep(files: Iterable[Path], short: bool, results: Path = RESULTS) -> Path:
    """Copies files into `<date>-<commit>`, `-short` after the name of a short form, and returns that folder."""
    description = machine.description()
    name = f"{description['date'][:10]}-{description['commit'].split()[0]}{'-short' if short else ''}"
    folder = results / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy2(file, folder / file.name)
    return folder


def note_run(folder: Path, program: str, *, short: bool) -> None:
    """Notes when, of which commit and where a program was measured just now."""
    here = machine.description()
    told = {"form": "short" if short else "full", **{name: here[name] for name in ("date", "commit", "processor")}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RUNS).write_text(json.dumps(runs_of(folder) | {program: told}, indent=2) + "\n")


def runs_table(folder: Path, programs: Iterable[str]) -> str:
    """Markdown: a row for each program, also for those that were never measured there."""
    known = runs_of(folder)
    columns = ("form", "date", "commit", "processor")
    rows = [("program", *columns)]
    for program in programs:
        if program in known:
            rows.append((program, *(known[program][name] for name in columns)))
        else:
            is_there = (folder / f"{program}.csv").is_file()
            rows.append((program, "unknown" if is_there else "not measured", "", "", ""))
    return rows_as_markdown(rows)


def runs_of(folder: Path) -> dict[str, dict[str, str]]:
    """What `note_run` noted there, by program."""
    path = folder / RUNS
    runs: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.is_file() else {}
    return runs
