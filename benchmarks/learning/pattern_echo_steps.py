"""How many steps does REINFORCE need to solve PatternEcho, through `learn()`, and does it stay solved?

Prints the median number of steps to 95 % exact success with its bootstrap interval, the 99th percentile, and the share
of runs that hold 95 % at 10,000 steps; writes one row per run to `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.learning.pattern_echo import THRESHOLD, Run, median_interval, run

RESULTS = Path(__file__).parents[1] / "results"
HOLD_STEPS = 10_000
GIVE_UP_STEPS = 5_000
BOUNDS = {"median_upper": 190, "percentile_99": 500, "holding": 1.0}


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Runs, prints, writes; returns the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200, help="runs that stop at 95 percent (default 200)")
    parser.add_argument("--hold-seeds", type=int, default=20, help="runs of 10,000 steps (default 20)")
    parser.add_argument("--processes", type=int, default=1, help="processes to share them among (default 1)")
    parser.add_argument("--world-model-scale", type=float, default=None, help="attach a world model with this weight")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write to")
    chosen = parser.parse_args(arguments)

    stopped, held = all_runs(chosen.seeds, chosen.hold_seeds, chosen.world_model_scale, chosen.processes)
    write(chosen.results / file_name(chosen.world_model_scale), stopped, held)
    figures = summary(stopped, held)
    print("python -m benchmarks.learning.pattern_echo_steps", shlex.join(arguments or sys.argv[1:]))
    for figure, value in figures.items():
        print(f"  {figure}: {value:g}" + (f" (bound {BOUNDS[figure]:g})" if figure in BOUNDS else ""))
    return figures


def all_runs(
    n_seeds: int, n_hold_seeds: int, world_model_scale: float | None, n_processes: int = 1
) -> tuple[list[Run], list[Run]]:
    """Runs that stop at 95 percent, and runs of 10,000 steps."""
    jobs = [(seed, GIVE_UP_STEPS, world_model_scale, True) for seed in range(n_seeds)]
    jobs += [(seed, HOLD_STEPS, world_model_scale, False) for seed in range(n_hold_seeds)]
    if n_processes == 1:
        runs = [run(*job) for job in jobs]
    else:
        with get_context("spawn").Pool(n_processes) as pool:
            runs = pool.starmap(run, jobs, chunksize=1)
    return runs[:n_seeds], runs[n_seeds:]


def file_name(world_model_scale: float | None) -> str:
    """Of the file with a row for each run."""
    return "pattern_echo_steps.csv" if world_model_scale is None else "pattern_echo_steps_world_model.csv"


def summary(stopped: Sequence[Run], held: Sequence[Run]) -> dict[str, float]:
    """The figures; a run that never got there counts as one that gave up at `GIVE_UP_STEPS`."""
    figures: dict[str, float] = {}
    if stopped:
        steps = [float(GIVE_UP_STEPS if one.steps is None else one.steps) for one in stopped]
        median, lower, upper = median_interval(steps)
        figures = {
            "seeds": len(stopped),
            "median": median,
            "median_lower": lower,
            "median_upper": upper,
            "percentile_99": float(np.quantile(steps, 0.99)),
            "worst": max(steps),
            "unsolved": sum(one.steps is None for one in stopped),
        }
    if held:
        figures["hold_seeds"] = len(held)
        figures["holding"] = float(np.mean([one.success >= THRESHOLD for one in held]))
    return figures


def write(path: Path, stopped: Sequence[Run], held: Sequence[Run]) -> None:
    """One row per run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "seed", "steps_to_95", "final_success"])
        for kind, runs in (("to_95", stopped), ("hold", held)):
            writer.writerows([kind, one.seed, one.steps, round(one.success, 6)] for one in runs)


if __name__ == "__main__":
    main()
