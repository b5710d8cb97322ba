"""Progress of a run: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from wmil_agents.evaluation.quantity import quantity_text
from wmil_agents.runs.evaluation_callback import Progress
from wmil_envs.oracle import Unavailable

_N_LINES = 10
"""Lines of a run that is not shown in a terminal, besides the first."""
_SECONDS = 60.0
"""Between two lines, where a tenth of the run takes longer."""
_BAR_TEXT = 56
"""Characters beside the bar in a terminal of 80 columns."""
_TOLD = Unavailable("the success is told instead")


class ProgressDisplay:
    """A `with` block around a run; call it with every `Progress`. Nothing is printed before the first one.

    Args:
        screen: where to.
        total_steps: of the run.
        heading: the first line.
    """

    def __init__(self, screen: Console, total_steps: int, heading: str) -> None:
        self._screen, self._total_steps, self._heading = screen, total_steps, heading
        self._has_begun = False
        self._next_line = self._line_due = 0.0
        self._bar: Bar | None = None
        if screen.is_terminal:
            columns = (
                BarColumn(None),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(compact=True),
            )
            self._bar = Bar(*columns, console=screen, expand=True)
            self._task = self._bar.add_task("", total=total_steps)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Show where the run has got."""
        if not self._has_begun:
            self._has_begun = True
            self._screen.print(self._heading, markup=False)
            if self._bar is not None:
                self._bar.start()
        if self._bar is not None:
            self._bar.update(self._task, completed=progress.step, description=description(progress, _BAR_TEXT))
        elif progress.is_new and (
            progress.step >= min(self._next_line, self._total_steps) or progress.seconds >= self._line_due
        ):
            self._next_line = progress.step + self._total_steps / _N_LINES
            self._line_due = progress.seconds + _SECONDS
            line = f"step {progress.step:>9,} of {self._total_steps:,}   {description(progress)}"
            self._screen.print(line, markup=False, soft_wrap=True)


def description(progress: Progress, most: int | None = None) -> str:
    """The latest figures on one line, those that were estimated with interval and n.

    Args:
        progress: where the run has got.
        most: characters that there is room for; where the entropy does not fit in, it is left out.
    """
    evaluation = progress.evaluation
    parts = [
        f"{name} {quantity_text(quantity)}"
        for name, quantity in (
            ("success", evaluation.success),
            ("return", evaluation.episode_return if isinstance(evaluation.success, Unavailable) else _TOLD),
            ("entropy", evaluation.entropy),
        )
        if not isinstance(quantity, Unavailable)
    ]
    if progress.seconds > 0.0 and progress.step > 0:
        parts.append(f"{progress.step / progress.seconds:,.0f} steps/s")
    if most is not None and len("   ".join(parts)) > most:
        parts = [part for part in parts if not part.startswith("entropy")]
    return "   ".join(parts)
