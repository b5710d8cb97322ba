"""`wmil report`: runs as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from wmil_agents.reports.report import REPORT, write_report


def report_runs(folders: Sequence[Path], out: Path | None) -> None:
    """Write the report, and say where it is and what is in it.

    Raises:
        InputError: a folder is none of a run, or the report cannot be written.
    """
    path = (folders[0] / REPORT if len(folders) == 1 else Path(REPORT)) if out is None else out
    arms = write_report(folders, path)
    for arm in arms:
        typer.echo(f"{arm.label}: {len(arm.runs)} run{'' if len(arm.runs) == 1 else 's'}")
    typer.echo(f"The report is {path}")
