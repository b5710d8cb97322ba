"""The learning curve that a run leaves in its folder."""

from __future__ import annotations

from pathlib import Path

from wmil_agents.plots.run_figure import draw_figure
from wmil_agents.runs.recorded_arm import group_runs
from wmil_agents.runs.recorded_run import read_run

_ENDINGS = ("svg", "png")


def draw_run(folder: Path) -> list[Path]:
    """Draw curve.svg and curve.png of a run into its folder: score, entropy and skill, beside floors and ceilings.

    Returns:
        The files written.

    Raises:
        InputError: it is not the folder of a run, or holds no evaluation.
    """
    run = read_run(folder)
    title = f"{folder.name} ({run.mark})" if run.mark else folder.name
    files = [folder / f"curve.{ending}" for ending in _ENDINGS]
    for file in files:
        draw_figure(group_runs([run]), "learning-curve", file, title)
    return files
