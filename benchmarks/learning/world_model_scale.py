"""Which weight should the world model have? Steps to solve PatternEcho, and what the model knows after 10,000 steps.

Prints a Markdown table, one row per scale, and writes one CSV row per run to `benchmarks/results/`.
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
SCALES = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)
ATTRIBUTES = ("symbol", "last_action", "feedback")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="runs per scale (default 20)")
    parser.add_argument("--steps", type=int, default=10_000, help="steps per run (default 10,000)")
    parser.add_argument("--scales", type=float, nargs="+", default=list(SCALES), help="weights to try")
    parser.add_argument("--processes", type=int, default=1, help="processes to share them among (default 1)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write to")
    chosen = parser.parse_args(arguments)

    jobs = [(seed, chosen.steps, scale, False) for scale in chosen.scales for seed in range(chosen.seeds)]
    if chosen.processes == 1:
        runs = [run(*job) for job in jobs]
    else:
        with get_context("spawn").Pool(chosen.processes) as pool:
            runs = pool.starmap(run, jobs, chunksize=1)
    by_scale = {scale: runs[i * chosen.seeds : (i + 1) * chosen.seeds] for i, scale in enumerate(chosen.scales)}
    write(chosen.results / "world_model_scale.csv", by_scale)
    print("python -m benchmarks.learning.world_model_scale", shlex.join(arguments or sys.argv[1:]))
    print(table(by_scale, chosen.steps))


def table(by_scale: dict[float, list[Run]], total_steps: int) -> str:
    """Markdown: medians over the seeds; an unsolved run counts as one that took all its steps."""
    lines = [
        "| scale | steps to 95 % [95 % interval of the median] | worst | holds at the end | skill: "
        + " | ".join(ATTRIBUTES)
        + " |",
        "|---" * (4 + len(ATTRIBUTES)) + "|",
    ]
    for scale, runs in by_scale.items():
        steps = [float(total_steps if one.steps is None else one.steps) for one in runs]
        median, lower, upper = median_interval(steps)
        holding = sum(one.success >= THRESHOLD for one in runs)
        skills = " | ".join(f"{np.median([one.skill[name] for one in runs]):.3f}" for name in ATTRIBUTES)
        lines.append(
            f"| {scale:g} | {median:.0f} [{lower:.0f}, {upper:.0f}] | {max(steps):.0f} "
            f"| {holding} of {len(runs)} | {skills} |"
        )
    return "\n".join(lines)


def write(path: Path, by_scale: dict[float, list[Run]]) -> None:
    """One row per run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["scale", "seed", "steps_to_95", "final_success", *(f"skill_{name}" for name in ATTRIBUTES)])
        for scale, runs in by_scale.items():
            for one in runs:
                skills = [round(one.skill[name], 6) for name in ATTRIBUTES]
                writer.writerow([scale, one.seed, one.steps, round(one.success, 6), *skills])


if __name__ == "__main__":
    main()
