"""The error of everything that can be wrong with a checkpoint."""

from __future__ import annotations


class CheckpointError(Exception):
    """A checkpoint cannot be written, cannot be trusted, or is of another model; the message says which and why."""
