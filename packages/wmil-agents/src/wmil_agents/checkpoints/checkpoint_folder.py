"""A folder of checkpoints, one sub-folder for each step."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.manifest import Manifest
from wmil_agents.checkpoints.state_folder import check_state

_NAME = re.compile(r"step-(\d{12,})")


@dataclass(frozen=True)
class Found:
    """The newest checkpoint that can be used, and those that cannot."""

    folder: Path | None
    """None if there is none."""
    manifest: Manifest | None
    skipped: tuple[str, ...]
    """Newer ones that are damaged, in sentences that name them and say why."""


def step_folder(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step goes: their names sort as their steps do."""
    return folder / f"step-{step:012d}"


def step_folders(folder: Path | str) -> list[Path]:
    """The checkpoints in a folder, the oldest first, unopened; what a dying process left unfinished is none."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    found = [(_NAME.fullmatch(path.name), path) for path in folder.iterdir()]
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def newest_valid(folder: Path | str) -> Found:
    """The newest checkpoint in a folder whose files are to the last bit what was written."""
    skipped: list[str] = []
    for path in reversed(step_folders(folder)):
        try:
            return Found(path, check_state(path), tuple(skipped))
        except CheckpointError as error:
            skipped.append(str(error))
    return Found(None, None, tuple(skipped))
