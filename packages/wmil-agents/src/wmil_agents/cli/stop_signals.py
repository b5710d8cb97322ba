"""What SIGINT and SIGTERM do to a command: the first one asks for an orderly end, a second one ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

import typer

_SHOW_CURSOR = b"\x1b[?25h"
_SAID = b"\nwmil: stopping as soon as this rollout is done; once more to end at once\n"


class StopSignals:
    """A `with` block in which the signals are caught; afterwards they do what they did before.

    Outside of the main thread, where Python allows no handlers, it catches nothing.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._catch) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def asked(self) -> str | None:
        """The name of the signal that came; None before one did."""
        return None if self._number is None else signal.Signals(self._number).name

    def end(self, sentence: str) -> NoReturn:
        """Say how it ended, and exit with the code of the signal: 130 or 143."""
        typer.echo(f"wmil: {sentence}", err=True)
        raise typer.Exit(128 + (self._number or signal.SIGINT))

    def _catch(self, number: int, frame: FrameType | None) -> None:
        # Only calls that may interrupt anything: no lock, no buffer.
        if self._number is not None:
            if os.isatty(1):
                os.write(1, _SHOW_CURSOR)
            os._exit(128 + number)
        self._number = number
        os.write(2, _SAID)
