"""The columns of metrics.csv, and of the logger's progress.csv, as numbers."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any


def read_metrics(path: Path) -> dict[str, list[float]]:
    """The columns as numbers; not-a-number where a cell is empty or a word."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [_as_number(row[name]) for row in rows] for name in (rows[0] if rows else {})}


def _as_number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return math.nan
