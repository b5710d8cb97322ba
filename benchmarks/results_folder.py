"""Where results lie: `latest/`, and a folder of their own for each date and commit."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from benchmarks import machine

RESULTS = machine.ROOT / "benchmarks" / "results"
LATEST = RESULTS / "latest"


def keep(files: Iterable[Path], short: bool, results: Path = RESULTS) -> Path:
    """Copies files into `<date>-<commit>`, `-short` after the name of a short form, and returns that folder."""
    description = machine.description()
    name = f"{description['date'][:10]}-{description['commit'].split()[0]}{'-short' if short else ''}"
    folder = results / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy2(file, folder / file.name)
    return folder
