"""Where the commands print to."""

from __future__ import annotations

import math

from rich.console import Console

_WIDTH_OF_FILES = 140


def console() -> Console:
    """Standard output; wide enough for our tables where it is no terminal."""
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=_WIDTH_OF_FILES)


def figure(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"
