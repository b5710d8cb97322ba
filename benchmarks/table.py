"""Figures as a CSV file and as a Markdown table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.figure import Figure

HEADER = ("figure", "measured", "spread", "bound", "verdict", "how")


def write_csv(path: Path, figures: Iterable[Figure]) -> None:
    """One row for each figure."""
    rows = [figure.to_dict() for figure in figures]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["name"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[Figure]:
    """The figures that `write_csv` wrote."""
    with path.open(newline="") as file:
        return [Figure.from_dict(row | _numbers(row)) for row in csv.DictReader(file)]


def _numbers(row: Mapping[str, str]) -> dict[str, float | int | None]:
    optional = {name: float(row[name]) if row[name] else None for name in ("bound", "low", "high")}
    return {"value": float(row["value"]), "repeats": int(row["repeats"]), **optional}


def markdown(figures: Iterable[Figure]) -> str:
    """The table that the documentation shows."""
    return rows_as_markdown([HEADER, *(_cells(figure) for figure in figures)]) + "\n"


def rows_as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table, the first row its header."""
    header, *others = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ("---",) * len(header), *others))


def page(
    title: str, remarks: Sequence[str], machine: Mapping[str, str], figures: Sequence[Figure], runs: str = ""
) -> str:
    """A whole Markdown page: remarks, the figures that have a bound, the others, which run each is of, the machine."""
    bounded = [figure for figure in figures if figure.bound is not None]
    others = [figure for figure in figures if figure.bound is None]
    parts = [f"# {title}", *remarks, markdown(bounded).rstrip()]
    if others:
        parts += ["## For comparison", markdown(others).rstrip()]
    if runs:
        parts += ["## Runs", runs]
    parts += ["## Machine of the last run", "\n".join(f"- {name}: {value}" for name, value in machine.items())]
    return "\n\n".join(parts) + "\n"


def _cells(figure: Figure) -> tuple[str, ...]:
    between = "" if figure.low is None or figure.high is None else f"{_number(figure.low)} - {_number(figure.high)}"
    bound = "" if figure.bound is None else f"{'<=' if figure.better == 'less' else '>='} {_number(figure.bound)}"
    how = f"n={figure.repeats}" + (f"; {figure.note}" if figure.note else "")
    return figure.name, f"{_number(figure.value)} {figure.unit}".strip(), between, bound, figure.verdict, how


def _number(value: float) -> str:
    if value == 0 or not abs(value) < float("inf"):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
