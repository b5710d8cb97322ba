"""What every benchmark program does: read `--short`, measure, print the table, say how to repeat it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.table import markdown


def run_program(module: str, measure: Callable[[bool], list[Figure]], description: str) -> None:
    """Measures, and prints the figures as a table.

    Args:
        module: the program's name for `python -m`.
        measure: makes the figures, of the short form if its argument is true.
        description: the first sentence of the help.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--short", action="store_true", help="fewer repeats")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    figures = measure(arguments.short)
    print(markdown(figures))
    print(f"Repeat with: python -m {module} {' '.join(sys.argv[1:])}".rstrip())
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([figure.to_dict() for figure in figures]))
