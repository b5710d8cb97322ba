"""How many environment steps learning takes, as figures beside their bounds."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.learning.pattern_echo import INTERVAL
from benchmarks.learning.pattern_echo_steps import BOUNDS, all_runs, file_name, summary, write
from benchmarks.program import run_program

FULL_SEEDS, FULL_HOLD_SEEDS = 200, 20
SHORT_SEEDS, SHORT_HOLD_SEEDS = 20, 1
LEARNERS = {"policy alone": None, "world model attached": 0.2}
"""The scale of the world model; the first experiment's learner has one."""


def measure(short: bool, runs: Path | None = None) -> list[Figure]:
    """Steps to 95 % exact success, and whether it lasts, with and without a world model."""
    return [figure for learner in LEARNERS for figure in figures(learner, short, runs)]


def figures(learner: str, short: bool, runs: Path | None) -> list[Figure]:
    """The figures of one learner; what each of its runs did is written to the folder `runs`, if there is one."""
    n_seeds, n_hold_seeds = (SHORT_SEEDS, SHORT_HOLD_SEEDS) if short else (FULL_SEEDS, FULL_HOLD_SEEDS)
    scale = LEARNERS[learner]
    stopped, held = all_runs(n_seeds, n_hold_seeds, scale)
    if runs is not None:
        write(runs / file_name(scale), stopped, held)
    result = summary(stopped, held)
    form = f"short form, the figure asks for {FULL_SEEDS} seeds" if short else "seeds"
    hold_form = f"short form, the figure asks for {FULL_HOLD_SEEDS} seeds" if short else "seeds"
    task = f"PatternEcho, {learner}"
    interval = result["median_lower"], result["median_upper"]
    return [
        Figure(
            f"{task}: median steps to 95 % exact success",
            result["median"],
            "steps",
            None,
            "less",
            *interval,
            n_seeds,
            INTERVAL,
        ),
        Figure(
            f"{task}: upper 95 % bootstrap limit of that median",
            result["median_upper"],
            "steps",
            BOUNDS["median_upper"],
            repeats=n_seeds,
            note=form,
        ),
        Figure(
            f"{task}: 99th percentile of steps to 95 %",
            result["percentile_99"],
            "steps",
            BOUNDS["percentile_99"],
            repeats=n_seeds,
            note=form,
        ),
        Figure(
            f"{task}: share of runs at 95 % or more after 10,000 steps",
            result["holding"],
            "",
            BOUNDS["holding"],
            "more",
            repeats=n_hold_seeds,
            note=hold_form,
        ),
    ]


if __name__ == "__main__":
    run_program("benchmarks.learning_figures", measure, __doc__, tells_runs=True)
