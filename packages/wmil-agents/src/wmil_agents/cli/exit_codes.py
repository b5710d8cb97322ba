"""How the commands end, and with which words, when something cannot be used or cannot go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

BAD_INPUT = 2
PARENT_FAILED = 3
"""A language model, its budget or its store."""
RUN_FAILED = 4
"""A number that is not finite, or a disk that cannot be written to; the last checkpoint is kept."""
INTERRUPTED = 130


@contextmanager
def errors_end() -> Iterator[None]:
    """A block in which an error that was foreseen becomes one sentence on stderr and its exit code."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        code = _code(error)
        if code is None:
            raise
        sentences = [str(error), *getattr(error, "__notes__", [])]
        typer.echo(f"wmil: {' '.join('. '.join(sentences).split())}", err=True)
        raise typer.Exit(code) from None


def _code(error: Exception) -> int | None:
    """The exit code of an error that was foreseen; None of a bug."""
    from wmil_agents.runs.input_error import InputError
    from wmil_agents.runs.run_stopped import RunFailedError
    from wmil_envs.llm.errors import ParentError

    if isinstance(error, RunFailedError):
        return RUN_FAILED
    if isinstance(error, ParentError) or (isinstance(error, InputError) and isinstance(error.__cause__, ParentError)):
        return PARENT_FAILED
    return BAD_INPUT if isinstance(error, InputError) else None
