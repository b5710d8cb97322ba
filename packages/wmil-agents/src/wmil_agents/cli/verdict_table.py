"""A verdict as a table."""

from __future__ import annotations

from rich.table import Table

from wmil_agents.cli.console import figure
from wmil_agents.runs.verdict import Criterion, Verdict

_ANSWERS = {True: "[green]passed[/]", False: "[red]failed[/]", None: "[yellow]not judged[/]"}


def verdict_table(verdict: Verdict) -> Table:
    """Each criterion with its value, what it was held against, its floor and its ceiling."""
    title = "Verdict: all criteria passed" if verdict.reached else "Verdict: not all criteria passed"
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("", justify="right")
    table.add_column("criterion", min_width=24)
    for name in ("value", "held against", "floor", "ceiling"):
        table.add_column(name, justify="right")
    table.add_column("", no_wrap=True)
    table.add_column("note", ratio=1)
    for place, criterion in enumerate(verdict.criteria, start=1):
        table.add_row(str(place), criterion.statement, *_figures(criterion), _ANSWERS[criterion.passed], criterion.note)
    return table


def _figures(criterion: Criterion) -> list[str]:
    return [figure(value) for value in (criterion.value, criterion.threshold, criterion.floor, criterion.ceiling)]
