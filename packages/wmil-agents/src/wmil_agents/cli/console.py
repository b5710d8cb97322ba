"""Where the commands print to."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from wmil_agents.evaluation.quantity import figure_text

_WIDTH_OF_FILES = 80


def console() -> Console:
    """Standard output; as wide as a plain terminal where it is none."""
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=_WIDTH_OF_FILES)


def table(title: str, words: str, *figures: str) -> Table:
    """An empty table: a first column of words, which may wrap, and columns of figures, which are never cut.

    Args:
        title: above it.
        words: heading of the first column.
        *figures: headings of the others.
    """
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    made.add_column(words, overflow="fold", vertical="bottom")
    for heading in figures:
        made.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
    return made


def figure(value: float | None) -> str:
    """A number for a table; a dash where there is none."""
    return "-" if value is None else figure_text(value)
