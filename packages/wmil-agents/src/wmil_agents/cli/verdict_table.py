"""A verdict as a table."""

from __future__ import annotations

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from wmil_agents.cli.console import figure, table
from wmil_agents.runs.verdict import Criterion, Verdict

_ANSWERS = {True: "[green]passed[/]", False: "[red]failed[/]", None: "[yellow]not judged[/]"}


def verdict_table(verdict: Verdict) -> Group:
    """Each criterion with its value, what it was held against, its floor and its ceiling; the notes below."""
    figures = table(f"Verdict: {verdict.summary}", "criterion", "value", "held\nagainst", "floor", "ceiling", "")
    notes = Table.grid(padding=(0, 1))
    notes.add_column(no_wrap=True)
    notes.add_column(overflow="fold")
    for place, criterion in enumerate(verdict.criteria, start=1):
        figures.add_row(f"{place} {escape(criterion.statement)}", *_figures(criterion), _ANSWERS[criterion.passed])
        if criterion.note:
            notes.add_row(str(place), escape(criterion.note))
    return Group(figures, notes)


def _figures(criterion: Criterion) -> list[str]:
    return [figure(value) for value in (criterion.value, criterion.threshold, criterion.floor, criterion.ceiling)]
