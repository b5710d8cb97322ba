"""What every benchmark program does: read `--short`, measure, print the table, say how to repeat it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.table import markdown


def run_program(
    module: str, measure: Callable[..., list[Figure]], description: str, *, tells_runs: bool = False
) -> None:
    """Measures, and prints the figures as a table.

    Args:
        module: the program's name for `python -m`.
        measure: makes the figures, of the short form if its argument is true.
        description: the first sentence of the help.
        tells_runs: whether `measure` takes a second argument, the folder for a CSV file of its runs, or None.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--short", action="store_true", help="fewer repeats")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="write what each run did there, if there are runs")
    arguments = parser.parse_args()
    figures = measure(arguments.short, *([arguments.runs] if tells_runs else []))
    print(markdown(figures))
    print(f"Repeat with: python -m {module} {' '.join(sys.argv[1:])}".rstrip())
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([figure.to_dict() for figure in figures]))
