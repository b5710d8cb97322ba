"""The columns of metrics.csv, and of the logger's progress.csv, as numbers."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path


def read_metrics(path: Path) -> dict[str, list[float]]:
    """The columns as numbers; not-a-number where a cell is empty or a word."""
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = [row for row in csv.reader(file) if row] or [[]]
    n = len(names)
    whole = [row if len(row) == n else (row + [""] * n)[:n] for row in rows]
    return {name: _as_numbers(cells) for name, cells in zip(names, zip(*whole, strict=True), strict=False)}


def _as_numbers(cells: Sequence[str]) -> list[float]:
    try:
        return list(map(float, cells))
    except ValueError:
        return list(map(_as_number, cells))


def _as_number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
