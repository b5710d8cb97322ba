"""`wmil train` and `wmil resume`: a run with its progress, its verdict and its curve."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from wmil_agents.cli.console import console
from wmil_agents.cli.progress_display import ProgressDisplay
from wmil_agents.cli.stop_signals import StopSignals
from wmil_agents.cli.verdict_table import verdict_table
from wmil_agents.plots.learning_curve import draw_run
from wmil_agents.plots.style import matplotlib_is_installed
from wmil_agents.runs.continuation import extend
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.privilege import privilege
from wmil_agents.runs.run import Result, run
from wmil_agents.runs.run_files import DONE, SETTINGS
from wmil_agents.runs.run_stopped import RunStopped
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings
from wmil_agents.runs.standing import default_folder, standing
from wmil_envs.llm.errors import ParentError


def train_and_judge(source: str, overrides: Sequence[str], out: Path | None, command: Sequence[str]) -> bool:
    """Train, print the verdict, and say whether it was reached.

    Raises:
        InputError: something that was given cannot be used.
    """
    settings = load_settings(source, overrides)
    return _carry_out(settings, default_folder(settings) if out is None else out, command)


def resume_and_judge(folder: Path, total_steps: int | None, command: Sequence[str]) -> bool:
    """Continue a run, longer than it was if so asked, print the verdict, and say whether it was reached.

    Raises:
        InputError: there is no such run, or it cannot be made longer.
    """
    if not (folder / SETTINGS).is_file():
        raise InputError(f"{folder} is not the folder of a run: it has no {SETTINGS}")
    if total_steps is not None and total_steps != load_settings(str(folder / SETTINGS)).total_steps:
        extend(folder, total_steps)
    return _carry_out(load_settings(str(folder / SETTINGS)), folder, command)


def _carry_out(settings: Settings, folder: Path, command: Sequence[str]) -> bool:
    screen = console()
    if standing(folder, settings) == "done":
        _say(screen, f"{folder} is done: this is its verdict again, nothing was trained")
        result = run(settings, folder)
    else:
        result = _train(settings, folder, command, screen)
    screen.print(verdict_table(result.verdict))
    for sentence in json.loads((folder / DONE).read_text(encoding="utf-8"))["inexact"]:
        _say(screen, f"Not exact: {sentence}")
    if not matplotlib_is_installed():
        screen.print("No learning curve was drawn: pip install 'wmil-agents\\[report]'")
    else:
        draw_run(folder)
    _say(screen, f"Everything is in {folder}")
    return result.verdict.reached


def _train(settings: Settings, folder: Path, command: Sequence[str], screen: Console) -> Result:
    heading = (
        f"{settings.name}: {settings.learner.algorithm} on {settings.env.id}, {settings.total_steps:,} steps in "
        f"{settings.n_envs} environments, seed {settings.seed}{_changes(settings)}"
    )
    with StopSignals() as signals:
        try:
            with ProgressDisplay(screen, settings.total_steps, heading) as display:
                return run(
                    settings,
                    folder,
                    display,
                    command,
                    notice=lambda sentence: _say(screen, sentence),
                    stop=signals.asked,
                )
        except RunStopped as stopped:
            signals.end(
                f"interrupted by {stopped.reason} at step {stopped.step:,} of {settings.total_steps:,}; "
                f"`wmil resume {folder}` continues"
            )
        except ParentError as error:
            if (folder / SETTINGS).is_file():
                error.add_note(
                    f"The run is in {folder}: `wmil resume {folder}` continues it from its last checkpoint, the "
                    "same `wmil train` with a larger budget as well"
                )
            raise


def _say(screen: Console, sentence: str) -> None:
    screen.print(sentence, markup=False, soft_wrap=True)


def _changes(settings: Settings) -> str:
    """What is not the learner's own: agent, ablation and what it is told."""
    changes = (
        "" if settings.agent == "learner" else f"agent {settings.agent}",
        "" if settings.ablation == "none" else f"ablation {settings.ablation}",
        privilege(settings),
    )
    return "".join(f", {change}" for change in changes if change)
