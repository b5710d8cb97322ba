"""Progress of filling a table of verdicts: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

_N_LINES = 10
"""Lines about a table that is not shown in a terminal, besides the first."""


class FillDisplay:
    """A `with` block around `fill`; call it with the number of questions dealt with, and of all.

    Args:
        screen: where to.
        heading: the first line.
    """

    def __init__(self, screen: Console, heading: str) -> None:
        self._screen, self._heading = screen, heading
        self._next_line = 0.0
        self._bar: Bar | None = None
        if screen.is_terminal:
            columns = (BarColumn(None), MofNCompleteColumn(), TextColumn("questions"))
            times = (TimeElapsedColumn(), TimeRemainingColumn(compact=True))
            self._bar = Bar(*columns, *times, console=screen, expand=True)
            self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._screen.print(self._heading, markup=False, soft_wrap=True)
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Show how far it has got."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif done >= self._next_line or done >= total:
            self._next_line = done + total / _N_LINES
            self._screen.print(f"{done:>6,} of {total:,} questions", markup=False)
