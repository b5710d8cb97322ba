"""One process at a time writes to the folder of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run_files import LOCK


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A block in which no other process can be in such a block of the same folder.

    The system lets go of it when the process ends, however it ends.

    Raises:
        InputError: another process is at it.
    """
    with (folder / LOCK).open("a+b") as file:
        if not _lock(file):
            raise InputError(f"another process is writing to {folder}: wait for it, or name another folder")
        try:
            yield
        finally:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)


def _lock(file: IO[bytes]) -> bool:
    """Whether this process has the file now."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
