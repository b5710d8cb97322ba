"""How many environment steps learning takes, as figures beside their bounds."""

from __future__ import annotations

from benchmarks import machine
from benchmarks.figure import Figure
from benchmarks.learning import pattern_echo_steps
from benchmarks.program import run_program

RESULTS = machine.ROOT / "benchmarks" / "results" / "latest"
FULL_SEEDS, FULL_HOLD_SEEDS = 200, 20
SHORT_SEEDS, SHORT_HOLD_SEEDS = 20, 2
LOCKED_EXPERIMENT = ["--world-model-scale", "0.2"]
"""The first experiment's learner: a world model is attached."""


def measure(short: bool) -> list[Figure]:
    """Steps to 95 % exact success, and whether it lasts, with and without a world model."""
    return [*figures("policy alone", [], short), *figures("world model attached", LOCKED_EXPERIMENT, short)]


def figures(learner: str, options: list[str], short: bool) -> list[Figure]:
    """The figures of one learner; `options` are those of `pattern_echo_steps`."""
    n_seeds, n_hold_seeds = (SHORT_SEEDS, SHORT_HOLD_SEEDS) if short else (FULL_SEEDS, FULL_HOLD_SEEDS)
    seeds = ["--seeds", str(n_seeds), "--hold-seeds", str(n_hold_seeds)]
    result = pattern_echo_steps.main([*seeds, "--results", str(RESULTS), *options])
    bounds = pattern_echo_steps.BOUNDS
    form = f"short form, the figure asks for {FULL_SEEDS} seeds" if short else "seeds"
    hold_form = f"short form, the figure asks for {FULL_HOLD_SEEDS} seeds" if short else "seeds"
    task = f"PatternEcho, {learner}"
    interval = result["median_lower"], result["median_upper"]
    return [
        Figure(
            f"{task}: median steps to 95 % exact success", result["median"], "steps", None, "less", *interval, n_seeds
        ),
        Figure(
            f"{task}: upper 95 % bootstrap limit of that median",
            result["median_upper"],
            "steps",
            bounds["median_upper"],
            repeats=n_seeds,
            note=form,
        ),
        Figure(
            f"{task}: 99th percentile of steps to 95 %",
            result["percentile_99"],
            "steps",
            bounds["percentile_99"],
            repeats=n_seeds,
            note=form,
        ),
        Figure(
            f"{task}: share of runs at 95 % or more after 10,000 steps",
            result["holding"],
            "",
            bounds["holding"],
            "more",
            repeats=n_hold_seeds,
            note=hold_form,
        ),
    ]


if __name__ == "__main__":
    run_program("benchmarks.learning_figures", measure, __doc__)
