"""How fast a run's machine is beside the one on which the bounds in seconds were set."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results_folder import RESULTS, runs_of
from benchmarks.table import read_csv

REFERENCE = RESULTS / "2026-11-20-amd-epyc"
"""Figures of the machine of the bounds, an AMD EPYC of the fourth generation."""
YARDSTICK = "CartPole-v1, native vector env"
"""Gymnasium's own code, of which nothing is ours."""
PROGRAM = "environments"


def pace(results: Path, reference: Path = REFERENCE) -> str:
    """A sentence with the times that vector CartPole took, as multiples; empty where it was not measured."""
    times, at_first = yardsticks(results), yardsticks(reference)
    ratios = sorted(times[name] / at_first[name] for name in times.keys() & at_first.keys())
    if not ratios:
        return ""
    processor = runs_of(results).get(PROGRAM, {}).get("processor", "an unknown machine")
    return (
        "Bounds in seconds were set on an AMD EPYC of the fourth generation, whose own figures are kept in "
        f"`benchmarks/results/{reference.name}`: beside it, Gymnasium's own vector CartPole takes {ratios[0]:.2g} to "
        f"{ratios[-1]:.2g} times as long here ({processor})."
    )


def yardsticks(results: Path) -> dict[str, float]:
    """Microseconds of a call, by the figure's name."""
    path = results / f"{PROGRAM}.csv"
    figures = read_csv(path) if path.is_file() else []
    return {figure.name: figure.value for figure in figures if figure.name.startswith(YARDSTICK)}
