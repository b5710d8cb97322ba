"""The ways in which a run ends before it is done, each of which leaves a folder that can be continued."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class RunStopped(Exception):
    """A run was asked to stop: its checkpoint is written, and the same call continues it.

    Args:
        folder: of the run.
        step: of the checkpoint.
        reason: what the function that asked for it returned.
    """

    def __init__(self, folder: Path, step: int, reason: str) -> None:
        super().__init__(f"{reason}; step {step:,} of {folder} is written, and it can be continued")
        self.folder, self.step, self.reason = folder, step, reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder, self.step, self.reason)


class ComparisonStopped(Exception):
    """A comparison was asked to stop: its runs can be continued, by the same call.

    Args:
        folder: of the comparison.
        reason: what the function that asked for it returned.
    """

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{reason}; the runs in {folder} can be continued")
        self.folder, self.reason = folder, reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder, self.reason)


class RunFailedError(RuntimeError):
    """A run cannot go on, for a reason outside of it that the message names; its last checkpoint is as it was."""


class NotFiniteError(RunFailedError):
    """A number became NaN or infinite."""
