"""The learning curves of a comparison: one line per arm, beside floor and ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wmil_agents.evaluation.intervals import bootstrap_interval
from wmil_agents.plots.style import ARMS, DASHED, INK, STYLE, horizontal_lines
from wmil_agents.runs.comparison import ArmResult, Comparison
from wmil_agents.runs.metrics_columns import read_metrics
from wmil_agents.runs.run_files import METRICS

Floats = npt.NDArray[np.float64]

NAME = "comparison"
_N_RESAMPLES = 1_000


def draw_comparison(comparison: Comparison) -> list[Path]:
    """Draw comparison.svg and comparison.png into the comparison's folder.

    Lines are medians over the seeds at each evaluation, bands their 95 % bootstrap intervals. An arm that was told more
    than the rewards of its own actions is dashed, and its mark is beside its name.

    Returns:
        The files written; none where no arm has results.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not comparison.results:
        return []
    yardstick = comparison.yardstick
    is_success = yardstick.score == "success"
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        ax = figure.subplots()
        bounds: dict[str, float | None] = {"floor": yardstick.floor, "ceiling": yardstick.ceiling}
        horizontal_lines(ax, {name: bound for name, bound in bounds.items() if bound is not None})
        end = 0.0
        for place, result in enumerate(comparison.results):
            steps, values = _curves(comparison, result)
            band = [
                bootstrap_interval(column, np.median, np.random.default_rng(0), _N_RESAMPLES) for column in values.T
            ]
            style: Any = {"color": ARMS[place % len(ARMS)]}
            ax.fill_between(steps, *np.array(band).T, alpha=0.18, linewidth=0, **style)
            line = DASHED if result.arm.mark else "solid"
            ax.plot(steps, np.median(values, axis=0), linewidth=2.2, linestyle=line, label=result.arm.label, **style)
            end = max(end, float(steps[-1]))
        ax.set_xlim(0, yardstick.last_step or end)
        if is_success:
            ax.set_ylim(-0.02, 1.1)
            ax.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        ax.set_title(yardstick.score.capitalize())
        ax.set_xlabel("environment steps")
        ax.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
        ax.xaxis.set_major_locator(MaxNLocator(6))
        n_seeds = len(comparison.plan.seeds)
        figure.legend(
            loc="outside lower left",
            frameon=False,
            labelcolor=INK,
            fontsize=9.5,
            title=f"median of {n_seeds} seeds, 95 % bootstrap interval",
            title_fontsize=9.5,
            alignment="left",
        )
        files = [comparison.plan.folder / f"{NAME}.{ending}" for ending in ("svg", "png")]
        figure.savefig(files[0], metadata={"Date": None})
        figure.savefig(files[1], dpi=160)
    return files


def _curves(comparison: Comparison, result: ArmResult) -> tuple[Floats, Floats]:
    """Steps (T,) and scores (n_runs, T) of an arm; runs of one arm are evaluated at the same steps."""
    yardstick = comparison.yardstick
    divisor = yardstick.divisors[comparison.plan.arms.index(result.arm)]
    columns = [read_metrics(outcome.folder / METRICS) for outcome in result.outcomes]
    steps, scores = _common(columns, yardstick.column)
    return steps, scores / divisor


def _common(columns: Sequence[dict[str, list[float]]], name: str) -> tuple[Floats, Floats]:
    """Steps and scores at the evaluations that all runs have."""
    shared = sorted(set.intersection(*(set(run["step"]) for run in columns)))
    values = [[dict(zip(run["step"], run[name], strict=True))[step] for step in shared] for run in columns]
    return np.array(shared), np.array(values)
