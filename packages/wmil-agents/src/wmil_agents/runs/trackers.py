"""W&B and trackio as two more outputs of Stable-Baselines3's logger; both write to this machine alone."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import KVWriter

from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.settings import Settings

PROJECT = "wmil"
_EXTRAS = ("tensorboard", "wandb", "trackio")
_CALLED = {"tensorboard": "TensorBoard", "wandb": "W&B", "trackio": "trackio"}


def check_trackers(settings: Settings) -> None:
    """Refuse settings that ask for a package that is not there.

    Raises:
        InputError: with the command that installs it.
    """
    for extra in _EXTRAS:
        if getattr(settings.logging, extra) and find_spec(extra) is None:
            raise InputError(f"{_CALLED[extra]} is not installed: pip install 'wmil-agents[{extra}]'")


class WandbWriter(KVWriter):
    """Hands every number to W&B, offline unless the environment variable WANDB_MODE says otherwise.

    Args:
        settings: of the run, shown beside its curves.
        folder: of the run; W&B's files are in its sub-folder train/, and `wandb sync` sends them.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._run = import_module("wandb").init(
            project=PROJECT,
            name=folder.name,
            config=settings.model_dump(mode="json"),
            dir=str(folder / "train"),
            mode=os.environ.get("WANDB_MODE", "offline"),
        )

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """The numbers of one step."""
        self._run.log(_numbers(key_values), step=step)

    def close(self) -> None:
        """End W&B's run."""
        self._run.finish()


class TrackioWriter(KVWriter):
    """Hands every number to trackio, which keeps them in its database on this machine (`trackio show`).

    Args:
        settings: of the run, shown beside its curves.
        folder: of the run; its name is the run's name there.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._run = import_module("trackio").init(
            project=PROJECT,
            name=folder.name,
            config=settings.model_dump(mode="json"),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """The numbers of one step."""
        self._run.log(_numbers(key_values), step=step)

    def close(self) -> None:
        """End trackio's run."""
        self._run.finish()


def _numbers(key_values: dict[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in key_values.items()
        if isinstance(value, int | float | np.number) and not isinstance(value, bool)
    }
