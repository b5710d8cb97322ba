"""A run as it stands in its folder: read, never executed, and complete or not."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.metrics_columns import read_metrics
from wmil_agents.runs.privilege import privilege
from wmil_agents.runs.run_files import LEVELS, METRICS, PARENT, PROGRESS, SETTINGS, TRAIN, VERDICT, VERSIONS
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings

MAX_BYTES = 64 * 2**20
"""A larger file of settings, metrics or results is refused."""
MAX_VALUES = 10_000
"""More settings are refused: a short YAML file can repeat itself into any number."""

Columns = dict[str, list[float]]


@dataclass(frozen=True)
class RecordedRun:
    """What a run has written so far."""

    folder: Path
    settings: Settings
    metrics: Columns
    """The columns of metrics.csv; empty where there is none."""
    progress: Columns
    """The columns of the logger's progress.csv; empty where there is none."""
    verdict: dict[str, Any] | None
    """None of a run that has not ended."""
    versions: dict[str, Any] | None
    levels: dict[str, Any] | None
    """What the policy does at every level; None where that was not written."""
    parent: dict[str, Any] | None
    """Who judged, where it is not the rule alone."""

    @property
    def mark(self) -> str:
        """What it was told besides the rewards of its own actions; empty if nothing."""
        return privilege(self.settings)

    @property
    def criteria(self) -> list[dict[str, Any]]:
        """The questions of the verdict with their answers; none of a run that has not ended."""
        return dicts_in(self.verdict or {}, "criteria")

    @property
    def last_step(self) -> int:
        """Of the last evaluation; 0 before the first."""
        return int(self.metrics["step"][-1]) if self.metrics.get("step") else 0


def read_run(folder: Path) -> RecordedRun:
    """What is in the folder of a run; a file that is not there yet is None or empty.

    Raises:
        InputError: it is not the folder of a run, or a file in it cannot be read.
    """
    if not (folder / SETTINGS).is_file():
        raise InputError(f"{folder} is not the folder of a run: it has no {SETTINGS}")
    _check_size(folder / SETTINGS)
    settings = load_settings(str(folder / SETTINGS))
    _check_extent(settings, folder)
    return RecordedRun(
        folder=folder,
        settings=settings,
        metrics=_columns(folder / METRICS),
        progress=_columns(folder / TRAIN / PROGRESS),
        verdict=read_document(folder / VERDICT),
        versions=read_document(folder / VERSIONS),
        levels=read_document(folder / LEVELS),
        parent=read_document(folder / PARENT),
    )


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """The folders of runs among these, or inside those that are none, such as the folder of a comparison.

    Raises:
        InputError: there is none.
    """
    found: dict[Path, None] = {}
    for folder in folders:
        inside = [folder / SETTINGS] if (folder / SETTINGS).is_file() else sorted(folder.glob(f"*/{SETTINGS}"))
        inside = inside or sorted(folder.glob(f"*/*/{SETTINGS}"))
        if not inside:
            raise InputError(f"{folder} is not the folder of a run, nor one of runs: it has no {SETTINGS}")
        found |= dict.fromkeys(path.parent for path in inside)
    return list(found)


def read_document(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is no file.

    Raises:
        InputError: there is something else.
    """
    if not path.is_file():
        return None
    _check_size(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path} cannot be read: it is no JSON") from None
    if not isinstance(document, dict):
        raise InputError(f"{path} cannot be read: it holds no object")
    return document


def dicts_in(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of a list in a document; what is no object is left out."""
    found = document.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _columns(path: Path) -> Columns:
    if not path.is_file():
        return {}
    _check_size(path)
    try:
        return read_metrics(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


def _check_extent(settings: Settings, folder: Path) -> None:
    left = MAX_VALUES
    open_values: list[Any] = [settings.env.arguments, settings.learner.arguments]
    while open_values:
        value = open_values.pop()
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        left -= len(inner)
        if left < 0:
            raise InputError(
                f"{folder / SETTINGS} holds more than {MAX_VALUES:,} values, so they are no settings of a run"
            )
        open_values += inner


def _check_size(path: Path) -> None:
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES // 2**20} MB, so it is no file of a run")
