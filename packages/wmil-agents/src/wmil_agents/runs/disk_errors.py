"""What a run says when its disk is full, or cannot be written to for another reason."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run_stopped import RunFailedError

_OF_THE_DISK = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO", "EACCES", "EPERM", "ESTALE")
    if hasattr(errno, name)
}


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """A block that writes to the folder of a run; where the disk is full, that is told in a sentence.

    Raises:
        RunFailedError: the system cannot write, or a checkpoint cannot be written.
    """
    try:
        yield
    except (InputError, RunFailedError):
        raise
    except CheckpointError as error:
        raise RunFailedError(f"{error}. {_advice(folder)}") from error
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        reason = error.strerror or str(error)
        raise RunFailedError(
            f"the run could not be written to {folder}: {reason}. Its checkpoints are as they were. {_advice(folder)}"
        ) from error


def _advice(folder: Path) -> str:
    return f"Make room, and `wmil resume {folder}` continues it"
