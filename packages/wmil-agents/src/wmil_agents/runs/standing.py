"""What the folder of a run holds already: nothing, a run that can be continued, or one that is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from wmil_agents.runs.atomic_file import UNFINISHED
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run_files import DONE, FAILURE, LOCK, SETTINGS, VERDICT
from wmil_agents.runs.run_folder import check_place
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings
from wmil_agents.runs.settings_text import settings_difference

Standing = Literal["empty", "begun", "done"]


def standing(folder: Path, settings: Settings) -> Standing:
    """What the folder holds of the run with these settings; what a language model may cost makes no other run.

    Raises:
        InputError: it holds something else; the message tells a run with other settings by what is different.
    """
    if not folder.is_dir() or not any(_contents(folder)):
        check_place(folder)
        return "empty"
    if not (folder / SETTINGS).is_file():
        raise InputError(f"the folder {folder} is not empty, and holds no run: name another one, or remove it")
    there = load_settings(str(folder / SETTINGS))
    difference = settings_difference(_without_budget(there), _without_budget(settings))
    if difference:
        longer = settings.total_steps > there.total_steps
        as_long = there.model_copy(update={"total_steps": settings.total_steps})
        if longer and not settings_difference(_without_budget(as_long), _without_budget(settings)):
            difference += f" (`wmil resume {folder} --total-steps {settings.total_steps}` makes it longer)"
        raise InputError(f"the folder {folder} holds a run with other settings, there -> here: {difference}")
    return "done" if (folder / DONE).is_file() and (folder / VERDICT).is_file() else "begun"


def default_folder(settings: Settings, parent: Path = Path("runs")) -> Path:
    """The first of `runs/<name>-<seed>`, `runs/<name>-<seed>-2`, ... that is free or holds this very run."""
    first = parent / f"{settings.name}-{settings.seed}"
    folder, counter = first, 2
    while not _is_ours(folder, settings):
        folder = first.with_name(f"{first.name}-{counter}")
        counter += 1
    return folder


def _is_ours(folder: Path, settings: Settings) -> bool:
    if not folder.exists():
        return True
    try:
        return standing(folder, settings) != "empty" or folder.is_dir()
    except InputError:
        return False


def _without_budget(settings: Settings) -> Settings:
    """The settings but for what a parent that is a language model may cost, so that it can be raised on the way."""
    arguments = settings.env.arguments
    if not isinstance(arguments.get("parent"), dict):
        return settings
    parent = {name: value for name, value in arguments["parent"].items() if name != "budget"}
    env = settings.env.model_copy(update={"arguments": arguments | {"parent": parent}})
    return settings.model_copy(update={"env": env})


def _contents(folder: Path) -> Iterator[Path]:
    """What is in a folder, apart from what processes that died leave behind."""
    for path in folder.iterdir():
        if path.name not in (LOCK, FAILURE) and not (path.name.startswith(".") and path.name.endswith(UNFINISHED)):
            yield path
