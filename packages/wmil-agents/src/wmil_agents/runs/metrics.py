"""One evaluation as a row of metrics.csv, and the file of them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.quantity import number
from wmil_agents.evaluation.world_model_errors import NO_WORLD_MODEL, PredictionError
from wmil_envs.oracle import Estimated, Quantity, Unavailable

Row = dict[str, float | str | None]

_ERRORS = (*(field.name for field in fields(PredictionError)), "skill")
_ORACLE_FIGURES = ("random_success", "random_return", "memoryless_return", "optimal_return")


def metrics_row(step: int, evaluation: Evaluation) -> Row:
    """The numbers of an evaluation by the names of their columns; None where there is no number.

    `episodes` is "exact", or the n behind the row's estimates; their 95 % intervals are in the columns _low and _high.
    """
    row: Row = {"step": step, "episodes": _episodes(evaluation.episode_return)}
    for name, quantity in (
        ("success", evaluation.success),
        ("return", evaluation.episode_return),
        ("entropy", evaluation.entropy),
    ):
        row[name] = number(quantity)
        low, high = quantity.interval if isinstance(quantity, Estimated) else (None, None)
        row[f"{name}_low"], row[f"{name}_high"] = low, high
    row["success_ceiling"] = number(evaluation.success_ceiling)
    row["max_entropy"] = number(evaluation.max_entropy)
    for name in _ORACLE_FIGURES:
        row[name] = None if evaluation.oracle is None else number(getattr(evaluation.oracle, name))
    unknown = _errors_to_come(evaluation)
    if not isinstance(evaluation.world_model, Unavailable):
        if not unknown:
            row |= dict(_prediction_columns("", evaluation.world_model.mean))
        for attribute, error in evaluation.world_model.attributes.items():
            row |= dict(_prediction_columns(f"/{attribute}", error))
    # The first row names all columns.
    return dict.fromkeys(f"world_model_{name}{suffix}" for suffix in unknown for name in _ERRORS) | row


class MetricsFile:
    """metrics.csv, written row by row, so that what an interrupted run measured is there."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer: csv.DictWriter[str] | None = None

    def write(self, row: Row) -> None:
        """One more row; the first one names the columns."""
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(row))
            self._writer.writeheader()
        self._writer.writerow(row)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _episodes(quantity: Quantity) -> str:
    return str(quantity.n) if isinstance(quantity, Estimated) else "exact"


def _errors_to_come(evaluation: Evaluation) -> list[str]:
    """What the columns of errors end in that cannot be told before a lazy parent has judged; "" is their mean."""
    if evaluation.oracle is None or evaluation.world_model is NO_WORLD_MODEL:
        return []
    floors = evaluation.oracle.world_model_floor.items()
    unknown = [f"/{attribute}" for attribute, floor in floors if isinstance(floor, Unavailable)]
    return ["", *unknown] if unknown else []


def _prediction_columns(suffix: str, error: PredictionError) -> Iterator[tuple[str, float | None]]:
    for name in _ERRORS:
        yield f"world_model_{name}{suffix}", getattr(error, name)
