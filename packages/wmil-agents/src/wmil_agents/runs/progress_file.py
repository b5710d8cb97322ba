"""train/progress.csv: the algorithm's own log, in a form that an interrupted run can continue."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from stable_baselines3.common.logger import KVWriter, filter_excluded_keys

from wmil_agents.runs.atomic_file import replace_text


class ProgressFile(KVWriter):
    """Writes what Stable-Baselines3's own CSV writer does, with two differences.

    The order of the columns does not depend on the process, and the file is whole at every moment: where a new column
    comes up, it is written anew beside and renamed. Values that are no number and no word are left out.

    Args:
        path: of the file.
        n_rows: how many of the rows that are there to keep; a file of its own for None.
    """

    def __init__(self, path: Path, n_rows: int | None = None) -> None:
        self._path = path
        self._rows = [] if n_rows is None else _read(path)[: n_rows + 1]
        self._keys = self._rows[0] if self._rows else []
        self._n_rows = max(0, len(self._rows) - 1)
        self._file: TextIO = self._rewritten()

    @property
    def n_rows(self) -> int:
        """The number of rows, once they are certain to be on the disk."""
        os.fsync(self._file.fileno())
        return self._n_rows

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """One more row."""
        told = {
            key: value
            for key, value in filter_excluded_keys(key_values, key_excluded, "csv").items()
            if isinstance(value, str | int | float | np.generic) or value is None
        }
        new = sorted(told.keys() - set(self._keys))
        if new:
            self._file.close()
            self._rows = _read(self._path)
            self._keys += new
            self._rows = [self._keys, *([*row, *[""] * len(new)] for row in self._rows[1:])]
            self._file = self._rewritten()
        self._file.write(_line(["" if told.get(key) is None else str(told[key]) for key in self._keys]))
        self._file.flush()
        self._n_rows += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rewritten(self) -> TextIO:
        replace_text(self._path, "".join(map(_line, self._rows)))
        self._rows = []
        return self._path.open("a", encoding="utf-8", newline="")


def _read(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
