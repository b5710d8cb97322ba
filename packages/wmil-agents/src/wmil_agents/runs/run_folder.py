"""The folder of a run: what is in it, how it is made, how a policy comes back out of it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import load_model, save_model

from wmil_agents.runs.experiment import Experiment, build_experiment
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.levels import levels_document
from wmil_agents.runs.parent_record import parent_document
from wmil_agents.runs.run_files import LEVELS, PARENT, POLICY, SETTINGS, VERDICT, VERSIONS
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings
from wmil_agents.runs.verdict import Verdict
from wmil_agents.runs.versions import versions


def default_folder(settings: Settings, parent: Path = Path("runs")) -> Path:
    """`runs/<name>-<seed>`, with a counter where that is taken."""
    first = parent / f"{settings.name}-{settings.seed}"
    folder, counter = first, 2
    while folder.exists():
        folder = first.with_name(f"{first.name}-{counter}")
        counter += 1
    return folder


def check_folder(folder: Path) -> None:
    """Refuse a folder that a run cannot be written to; nothing is made.

    Raises:
        InputError: it holds something, it is no folder, or it cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"the folder {folder} is not empty: name another one, or remove it")
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise InputError(f"{existing} is not a folder, so no run can be written to {folder}")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"the folder {existing} cannot be written to")


def begin_folder(folder: Path, settings: Settings, command: Sequence[str] = ()) -> None:
    """Make the folder, with the settings and versions.

    Raises:
        InputError: that fails.
    """
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        (folder / SETTINGS).write_text(text, encoding="utf-8")
        write_json(folder / VERSIONS, versions(settings.seed, command))
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be written to: {error.strerror}") from None


def end_folder(folder: Path, experiment: Experiment, verdict: Verdict) -> None:
    """Add the policy's weights, heads included, what it does at every level, who judged it, and last the verdict."""
    save_policy(folder, experiment)
    for name, document in ((LEVELS, levels_document(experiment)), (PARENT, parent_document(experiment))):
        if document is not None:
            write_json(folder / name, document)
    write_json(folder / VERDICT, verdict.to_dict())


def save_policy(folder: Path, experiment: Experiment) -> None:
    """Write the policy's weights as they are now."""
    save_model(experiment.model.policy, str(folder / POLICY))


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
            raise InputError(f"{folder} is not the folder of a finished run: it has no {name}")
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
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
