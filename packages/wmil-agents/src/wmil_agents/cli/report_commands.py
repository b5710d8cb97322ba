"""`wmil report`, `wmil plot` and `wmil export`: what is made of finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wmil_agents.cli.exit_codes import errors_end

Runs = Annotated[
    list[Path],
    typer.Argument(metavar="RUN...", help="Folders of runs, or folders with runs inside.", show_default=False),
]

PLOT_HELP = """Draw one figure of a run, or of several, as SVG, PNG or PDF.

Runs that differ in nothing but their seeds are one line: their interquartile mean, with its bootstrap band.

\b
  learning-curve     score, entropy and skill of the world model over the steps
  score              the score alone
  world-model        skill of the world model at each attribute
  reward-components  goal, prediction and consistency while it learnt
  levels             success at every level
  attention          what attends to what, where the run sampled it (episodes.attention)
  embedding          hidden features in a plane, where the run sampled them (episodes.features)
"""


def report(
    runs: Runs,
    out: Annotated[
        Path | None, typer.Option(help="The file  [default: report.html in the folder, of several here]")
    ] = None,
) -> None:
    """Write one HTML page about a run, or about several side by side.

    Runs that differ in nothing but their seeds are one arm. The page loads nothing and runs nothing; it can be sent,
    printed and opened anywhere.
    """
    with errors_end():
        from wmil_agents.reports.report import REPORT, write_report

        path = (runs[0] / REPORT if len(runs) == 1 else Path(REPORT)) if out is None else out
        for arm in write_report(runs, path):
            typer.echo(f"{arm.label}: {len(arm.runs)} run{'' if len(arm.runs) == 1 else 's'}")
        typer.echo(f"The report is {path}")


def plot(
    runs: Runs,
    out: Annotated[Path, typer.Option(help="The file; its ending says which kind: .svg, .png or .pdf.")],
    figure: Annotated[str, typer.Option(metavar="FIGURE", help="Which figure.")] = "learning-curve",
    title: Annotated[str, typer.Option(help="Above it.")] = "",
) -> None:
    """Draw one figure; `PLOT_HELP` says which there are."""
    with errors_end():
        from wmil_agents.plots.run_figure import draw_figure
        from wmil_agents.plots.style import matplotlib_is_installed
        from wmil_agents.runs.input_error import InputError
        from wmil_agents.runs.recorded_arm import group_runs
        from wmil_agents.runs.recorded_run import find_runs, read_run

        if not matplotlib_is_installed():
            raise InputError("figures are drawn by matplotlib: pip install 'wmil-agents[report]'")
        draw_figure(group_runs([read_run(folder) for folder in find_runs(runs)]), figure, out, title)
        typer.echo(f"The figure is {out}")


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    out: Annotated[Path, typer.Option(help="The folder to write; empty, or not there yet.")],
) -> None:
    """Write a folder for a model hub, with a model card.

    It holds the weights (safetensors), the settings, the verdict and the card. Nothing is uploaded:
    `hf upload OWNER/NAME FOLDER` of huggingface_hub does that.
    """
    with errors_end():
        from wmil_agents.runs.export import export_run

        places = export_run(run, out)
        typer.echo(f"Everything is in {out}; to publish it: hf upload OWNER/NAME {out}")
        for place in places:
            typer.echo(f"Look at this before: the settings name {place}")
