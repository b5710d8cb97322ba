"""Where an interrupted run is taken up again, and what its folder then says about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmil_agents.checkpoints.checkpoint import Restored, restore_checkpoint
from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.checkpoint_folder import newest_valid, step_folders
from wmil_agents.checkpoints.manifest import Manifest, library_versions
from wmil_agents.runs.atomic_file import replace_json, replace_text
from wmil_agents.runs.evaluation_callback import EvaluatedStep
from wmil_agents.runs.evaluation_history import read_history
from wmil_agents.runs.experiment import Experiment
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.recorded_run import read_document
from wmil_agents.runs.run_files import (
    CHECKPOINTS,
    CONTINUED,
    DONE,
    EPISODES,
    EVALUATIONS,
    LEVELS,
    METRICS,
    NOT_FINITE,
    PARENT,
    POLICY,
    SETTINGS,
    TRAIN,
    VERDICT,
)
from wmil_agents.runs.schedules import is_schedule
from wmil_agents.runs.settings_sources import load_settings
from wmil_agents.runs.settings_text import settings_text
from wmil_agents.runs.versions import versions

_OF_THE_END = (VERDICT, LEVELS, PARENT)
_OF_THE_RUN = (METRICS, EVALUATIONS, POLICY, TRAIN, EPISODES, *_OF_THE_END)
_DAMAGED = "damaged-"


@dataclass(frozen=True)
class Continuation:
    """A run as its newest valid checkpoint has it; the experiment's model is restored from it already."""

    restored: Restored
    history: list[EvaluatedStep]
    """The evaluations before it."""
    n_progress_rows: int
    """Rows of train/progress.csv before it."""


def continue_from(
    folder: Path, experiment: Experiment, notice: Callable[[str], None], command: Sequence[str]
) -> Continuation | None:
    """Restores the newest valid checkpoint of a folder, and writes down from where the run goes on.

    Args:
        folder: of a run that was begun with the experiment's settings.
        experiment: not yet trained.
        notice: told from where, and what is skipped or not exact.
        command: the words that continue it, for the record.

    Returns:
        None where there is no checkpoint yet: what was written is removed, and the run begins anew.

    Raises:
        InputError: a checkpoint does not belong to the rest of the folder.
    """
    found = newest_valid(folder / CHECKPOINTS)
    for sentence in found.skipped:
        notice(f"skipped: {sentence}")
    shutil.rmtree(folder / NOT_FINITE, ignore_errors=True)
    if found.folder is None or found.manifest is None:
        _set_aside(folder, -1)
        for name in _OF_THE_RUN:
            _remove(folder / name)
        notice(f"{folder} was interrupted before its first checkpoint: it begins anew")
        _note(folder, {"step": 0, "exact": True, "inexact": [], "skipped": list(found.skipped)}, experiment, command)
        return None
    try:
        restored = restore_checkpoint(found.folder, experiment.model)
    except CheckpointError as error:
        raise InputError(f"{error}; to begin anew, name another folder") from error
    try:
        n_bytes, n_rows = int(restored.more["evaluations_bytes"]), int(restored.more["progress_rows"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the checkpoint {found.folder} was not made by a run") from error
    history = read_history(folder / EVALUATIONS, n_bytes)
    with (folder / EVALUATIONS).open("r+b") as file:
        file.truncate(n_bytes)
    for name in _OF_THE_END:
        _remove(folder / name)
    _set_aside(folder, restored.step)
    inexact = [*restored.inexact, *_other_versions(found.manifest)]
    skipped = f", {len(found.skipped)} damaged skipped" if found.skipped else ""
    notice(f"continued from step {restored.step:,} of {experiment.settings.total_steps:,}{skipped}")
    for sentence in inexact:
        notice(f"not exact: {sentence}")
    entry = {"step": restored.step, "exact": not inexact, "inexact": inexact, "skipped": list(found.skipped)}
    _note(folder, entry, experiment, command)
    return Continuation(restored, history, n_rows)


def inexact_parts_of_run(folder: Path) -> list[str]:
    """Why a run may not have the bits that it would have had without interruptions; empty where it has."""
    document = _document(folder)
    return list(dict.fromkeys(sentence for entry in document["continued"] for sentence in entry["inexact"])) + [
        f"it was made longer, {change['from']:,} to {change['to']:,} steps, and {', '.join(change['falling'])} had "
        "fallen as for the shorter one"
        for change in document["extended"]
        if change["falling"]
    ]


def extend(folder: Path, total_steps: int) -> None:
    """Makes a run longer, whether it is done or not: the next one who runs it continues to the new end.

    Raises:
        InputError: it is no run, or is that long already.
    """
    if not (folder / SETTINGS).is_file():
        raise InputError(f"{folder} is not the folder of a run: it has no {SETTINGS}")
    settings = load_settings(str(folder / SETTINGS))
    if total_steps <= settings.total_steps:
        raise InputError(
            f"{folder} is a run of {settings.total_steps:,} steps: --total-steps can only make it longer, not "
            f"{total_steps:,}"
        )
    _remove(folder / DONE)
    document = _document(folder)
    falling = [name for name, value in settings.learner.arguments.items() if is_schedule(name, value)]
    document["extended"].append({"from": settings.total_steps, "to": total_steps, "falling": falling})
    replace_json(folder / CONTINUED, document)
    replace_text(folder / SETTINGS, settings_text(settings.model_copy(update={"total_steps": total_steps})))


def _set_aside(folder: Path, step: int) -> None:
    """Rename the checkpoints after a step, which are damaged: they would be taken for the newest when old ones go."""
    for path in step_folders(folder / CHECKPOINTS):
        if int(path.name.removeprefix("step-")) > step:
            target = path.with_name(_DAMAGED + path.name)
            shutil.rmtree(target, ignore_errors=True)
            path.rename(target)


def _other_versions(manifest: Manifest) -> list[str]:
    now = library_versions()
    changed = [
        f"{name} {manifest.versions.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for name in {**manifest.versions, **now}
        if manifest.versions.get(name) != now.get(name)
    ]
    return [f"it was continued with other versions, {', '.join(changed)}"] if changed else []


def _note(folder: Path, entry: dict[str, Any], experiment: Experiment, command: Sequence[str]) -> None:
    document = _document(folder)
    document["continued"].append(entry | {"versions": versions(experiment.settings.seed, command)})
    replace_json(folder / CONTINUED, document)


def _document(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = {"continued": [], "extended": []}
    return document | (read_document(folder / CONTINUED) or {})


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
