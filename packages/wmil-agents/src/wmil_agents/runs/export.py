"""A run as a folder that can be published: weights, settings, verdict and model card, nothing of this machine."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.model_card import model_card
from wmil_agents.runs.recorded_run import RecordedRun, read_run
from wmil_agents.runs.run_files import LEVELS, METRICS, PARENT, POLICY, SETTINGS, VERDICT, VERSIONS
from wmil_agents.runs.run_folder import check_folder, write_json

CARD, CURVE = "README.md", "curve.png"
_COPIED = (POLICY, SETTINGS, METRICS, VERDICT, LEVELS, PARENT, CURVE)
_OF_THIS_MACHINE = ("command", "platform")
"""Facts that are left out of the versions: they may name a user, a folder or a host."""


def export_run(folder: Path, out: Path) -> list[str]:
    """Write what can be published of a run into an empty folder, from which `load_run` brings it back.

    Returns:
        The settings that name places, such as files of this machine, by name and value: to be looked at before the
        folder is published.

    Raises:
        InputError: the run cannot be read or has no weights, or the folder cannot be written to.
    """
    run = read_run(folder)
    n_parameters = _count(folder / POLICY)
    check_folder(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in _COPIED:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, out / name)
        if run.versions is not None:
            facts = {name: fact for name, fact in run.versions.items() if name not in _OF_THIS_MACHINE}
            write_json(out / VERSIONS, facts)
        picture = CURVE if (out / CURVE).is_file() else None
        (out / CARD).write_text(model_card(run, n_parameters, picture), encoding="utf-8")
    except OSError as error:
        raise InputError(f"the folder {out} cannot be written to: {error.strerror}") from None
    return list(_places(run))


def _count(weights: Path) -> int:
    """How many numbers there are in a file of weights."""
    if not weights.is_file():
        raise InputError(f"{weights.parent} has no {POLICY}: only a run that ended or was interrupted can be exported")
    try:
        with safe_open(weights, framework="numpy") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{weights} cannot be read: {' '.join(str(error).split())}") from None


def _places(run: RecordedRun) -> Iterator[str]:
    for name, value in _texts("env.arguments", run.settings.env.arguments):
        if "/" in value or "\\" in value or value.endswith((".sqlite", ".json")):
            yield f"{name}={value}"


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(f"{path}.{key}", inner)
    elif isinstance(value, str):
        yield path, value
