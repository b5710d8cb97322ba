"""Draws the learning curve of the README: the start of the locked first experiment, 20 seeds.

Median and quartiles of exact success, entropy and world-model skill, beside floors and ceilings. The runs are those of
`wmil train mvp --seed S`, ended early: nothing in them depends on how long they will be.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

from wmil_agents.plots.learning_curve import draw_learning_curve
from wmil_agents.runs.metrics_columns import read_metrics
from wmil_agents.runs.run import run
from wmil_agents.runs.run_files import METRICS
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
            curves = [curve(*job) for job in jobs]
        else:
            with get_context("spawn").Pool(chosen.processes) as pool:
                curves = pool.starmap(curve, jobs, chunksize=1)
    chosen.image.parent.mkdir(parents=True, exist_ok=True)
    title = f"PatternEcho, 8 symbols: a 2 x 64 transformer from scratch, median and quartiles of {chosen.seeds} runs"
    files = draw_learning_curve(curves, chosen.image, title=title)
    words = sys.argv[1:] if arguments is None else arguments
    print(shlex.join(["python", "-m", "benchmarks.learning.plot_curve", *words]))
    for file in files:
        print(f"  {file.name}")
    return files


def curve(seed: int, n_steps: int, folder: str) -> dict[str, list[float]]:
    """The metrics of one run."""
    settings = load_settings("mvp", [f"seed={seed}", f"total_steps={n_steps}", "evaluation.interval=16"])
    run(settings, Path(folder))
    return read_metrics(Path(folder) / METRICS)


if __name__ == "__main__":
    main()
