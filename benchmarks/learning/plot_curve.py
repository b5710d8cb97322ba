"""Draws the learning curve of the README: the start of the locked first experiment, 20 seeds.

Interquartile means of exact success, entropy and world-model skill with their bootstrap bands, beside floors and
ceilings. The runs are those of `wmil train mvp --seed S`, ended early: nothing in them depends on how long they will
be. The picture is that of `wmil plot RUNS`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

from wmil_agents.plots.run_figure import draw_figure
from wmil_agents.runs.recorded_arm import group_runs
from wmil_agents.runs.recorded_run import read_run
from wmil_agents.runs.run import run
from wmil_agents.runs.settings_sources import load_settings
from wmil_envs.seeding import spawn_seeds

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "learning_curve"


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Trains, draws, prints what was written; returns it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="number of runs (default 20)")
    parser.add_argument("--steps", type=int, default=2_000, help="steps of each (default 2,000)")
    parser.add_argument("--processes", type=int, default=1, help="processes to share them among (default 1)")
    parser.add_argument("--image", type=Path, default=IMAGE, help="where to, without the ending")
    chosen = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as folder:
        jobs = [(seed, chosen.steps, str(Path(folder) / str(seed))) for seed in spawn_seeds(0, chosen.seeds)]
        if chosen.processes == 1:
            runs = [train(*job) for job in jobs]
        else:
            with get_context("spawn").Pool(chosen.processes) as pool:
                runs = pool.starmap(train, jobs, chunksize=1)
        arms = group_runs([read_run(run) for run in runs])
    chosen.image.parent.mkdir(parents=True, exist_ok=True)
    title = f"PatternEcho, 8 symbols: a 2 x 64 transformer from scratch, {chosen.seeds} runs"
    files = [chosen.image.with_name(f"{chosen.image.name}.{ending}") for ending in ("svg", "png")]
    for file in files:
        draw_figure(arms, "learning-curve", file, title)
    words = sys.argv[1:] if arguments is None else arguments
    print(shlex.join(["python", "-m", "benchmarks.learning.plot_curve", *words]))
    for file in files:
        print(f"  {file.name}")
    return files


def train(seed: int, n_steps: int, folder: str) -> Path:
    """The folder of a run that was made."""
    settings = load_settings("mvp", [f"seed={seed}", f"total_steps={n_steps}", "evaluation.interval=16"])
    return run(settings, Path(folder)).folder


if __name__ == "__main__":
    main()
