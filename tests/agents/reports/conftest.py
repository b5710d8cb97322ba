"""Made-up runs, from the benchmark of reports."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    """Makes a folder with figures that nobody measured, under a name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))
    benchmark: Any = importlib.import_module("benchmarks.speed.reports")

    def make(name: str, *overrides: str, seed: int = 0, n_points: int = 30, **columns: Any) -> Path:
        folder: Path = benchmark.made_up_run(tmp_path / "runs" / name, overrides, seed, n_points, **columns)
        return folder

    return make
