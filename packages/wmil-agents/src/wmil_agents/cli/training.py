"""`wmil train`: a run with its progress, its verdict and its curve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from wmil_agents.cli.console import console
from wmil_agents.cli.progress_display import ProgressDisplay
from wmil_agents.cli.verdict_table import verdict_table
from wmil_agents.plots.learning_curve import draw_run
from wmil_agents.plots.style import matplotlib_is_installed
from wmil_agents.runs.privilege import privilege
from wmil_agents.runs.run import run
from wmil_agents.runs.run_folder import default_folder
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings

INTERRUPTED = 130


def train_and_judge(source: str, overrides: Sequence[str], out: Path | None, command: Sequence[str]) -> bool:
    """Train, print the verdict, and say whether it was reached.

    Raises:
        InputError: something that was given cannot be used.
    """
    settings = load_settings(source, overrides)
    folder = default_folder(settings) if out is None else out
    screen = console()
    heading = (
        f"{settings.name}: {settings.learner.algorithm} on {settings.env.id}, {settings.total_steps:,} steps in "
        f"{settings.n_envs} environments, seed {settings.seed}{_changes(settings)}"
    )

    def notice(sentence: str) -> None:
        screen.print(sentence, markup=False, soft_wrap=True)

    try:
        with ProgressDisplay(screen, settings.total_steps, heading) as display:
            result = run(settings, folder, display, command, notice=notice)
    except KeyboardInterrupt:
        typer.echo(f"wmil: interrupted; what was measured until then and the weights are in {folder}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    screen.print(verdict_table(result.verdict))
    if matplotlib_is_installed():
        draw_run(folder)
    else:
        screen.print("No learning curve was drawn: pip install 'wmil-agents\\[report]'")
    screen.print(f"Everything is in {folder}", markup=False, soft_wrap=True)
    return result.verdict.reached


def _changes(settings: Settings) -> str:
    """What is not the learner's own: agent, ablation and what it is told."""
    changes = (
        "" if settings.agent == "learner" else f"agent {settings.agent}",
        "" if settings.ablation == "none" else f"ablation {settings.ablation}",
        privilege(settings),
    )
    return "".join(f", {change}" for change in changes if change)
