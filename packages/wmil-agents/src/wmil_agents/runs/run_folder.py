"""The folder of a run: what is in it, how it is made, how a policy comes back out of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_model, save
from torch import Tensor

from wmil_agents.runs.atomic_file import replace_file, replace_json, replace_text
from wmil_agents.runs.experiment import Experiment, build_experiment
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.levels import levels_document
from wmil_agents.runs.parent_record import parent_document
from wmil_agents.runs.run_files import DONE, LEVELS, PARENT, POLICY, SETTINGS, VERDICT, VERSIONS
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings
from wmil_agents.runs.settings_text import settings_text
from wmil_agents.runs.verdict import Verdict
from wmil_agents.runs.versions import versions


def check_folder(folder: Path) -> None:
    """Refuse a folder that is not empty, or cannot be written to; nothing is made.

    Raises:
        InputError: it holds something, it is no folder, or it cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"the folder {folder} is not empty: name another one, or remove it")
    check_place(folder)


def check_place(folder: Path) -> None:
    """Refuse a folder that cannot be written to, whatever it holds; nothing is made.

    Raises:
        InputError: it is no folder, or it cannot be written.
    """
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise InputError(f"{existing} is not a folder, so no run can be written to {folder}")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"the folder {existing} cannot be written to")


def make_folder(folder: Path) -> None:
    """Make it, with those above it, if it is not there.

    Raises:
        InputError: that fails.
    """
    check_place(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be made: {error.strerror}") from None


def begin_folder(folder: Path, settings: Settings, command: Sequence[str] = ()) -> None:
    """Write the settings and the versions, from which on the folder is that of this run.

    Raises:
        InputError: the folder cannot be made.
        OSError: the files cannot be written.
    """
    make_folder(folder)
    replace_text(folder / SETTINGS, settings_text(settings))
    write_json(folder / VERSIONS, versions(settings.seed, command))


def end_folder(folder: Path, experiment: Experiment, verdict: Verdict, inexact: Sequence[str] = ()) -> None:
    """Add the policy's weights, heads included, what it does at every level, who judged it, the verdict, and the end.

    Args:
        folder: of the run.
        experiment: trained.
        verdict: on it.
        inexact: why it may not have the bits of a run without interruptions, in sentences.
    """
    save_policy(folder, experiment)
    for name, document in ((LEVELS, levels_document(experiment)), (PARENT, parent_document(experiment))):
        if document is not None:
            write_json(folder / name, document)
    write_json(folder / VERDICT, verdict.to_dict())
    step = experiment.model.num_timesteps
    end = {"step": step, "reached": verdict.reached, "exact": not inexact, "inexact": list(inexact)}
    write_json(folder / DONE, end)


def save_policy(folder: Path, experiment: Experiment) -> None:
    """Write the policy's weights as they are now.

    Raises:
        OSError: that fails; weights that were there are as they were.
    """
    # Shared modules have several names; one of them is written, and `load_model` finds the others.
    tensors: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in experiment.model.policy.state_dict().items():
        tensors.setdefault(tensor.data_ptr() or id(tensor), (name, tensor.contiguous()))
    replace_file(folder / POLICY, save(dict(tensors.values()), metadata={"format": "pt"}))


def load_run(folder: Path, *, level: int | None = None) -> Experiment:
    """The experiment of a folder with its trained policy; no file is executed.

    Args:
        folder: of a run that has ended, or was interrupted.
        level: the level of the environments to evaluate in; that of training for None.

    Raises:
        InputError: it is not such a folder, or its files do not fit.
    """
    for name in (SETTINGS, POLICY):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder} is not the folder of a finished run: it has no {name}"
                + (f"; `wmil resume {folder}` continues it" if (folder / SETTINGS).is_file() else "")
            )
    experiment = build_experiment(load_settings(str(folder / SETTINGS)), evaluation_level=level)
    try:
        load_model(experiment.model.policy, str(folder / POLICY))
    except RuntimeError as error:
        experiment.close()
        raise InputError(
            f"{folder / POLICY} does not hold this policy: its names and shapes are not those of {SETTINGS}"
        ) from error
    except Exception as error:  # safetensors raises its own kinds
        experiment.close()
        raise InputError(f"{folder / POLICY} does not hold this policy: {' '.join(str(error).split())}") from error
    return experiment


def write_json(path: Path, document: Any) -> None:
    """A document as readable JSON."""
    replace_json(path, document)
