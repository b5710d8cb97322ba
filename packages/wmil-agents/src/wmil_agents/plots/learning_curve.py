"""The learning curve of one run or of several: success, entropy and world-model skill beside floors and ceilings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wmil_agents.plots.style import BLUE, GREEN, INK, ORANGE, STYLE, horizontal_lines
from wmil_agents.runs.metrics_columns import read_metrics
from wmil_agents.runs.privilege import privilege
from wmil_agents.runs.run_files import METRICS, SETTINGS
from wmil_agents.runs.settings_sources import load_settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One number over the steps of several runs."""

    steps: Floats
    """(T,)"""
    values: Floats
    """(n_runs, T)"""

    @property
    def median(self) -> Floats:
        """The middle run at each step (T,)."""
        return np.median(self.values, axis=0)

    @property
    def quartiles(self) -> tuple[Floats, Floats]:
        """(T,) the lower and the upper one."""
        low, high = np.percentile(self.values, [25, 75], axis=0)
        return low, high


def draw_run(folder: Path) -> list[Path]:
    """Draw curve.svg and curve.png of a run into its folder."""
    settings = folder / SETTINGS
    mark = privilege(load_settings(str(settings))) if settings.is_file() else ""
    title = f"{folder.name} ({mark})" if mark else folder.name
    return draw_learning_curve([read_metrics(folder / METRICS)], folder / "curve", title=title)


def draw_learning_curve(
    runs: Sequence[dict[str, list[float]]], path: Path, *, title: str = "", last_step: int | None = None
) -> list[Path]:
    """Draw the median of some runs, with the band between the quartiles, as SVG and PNG.

    Of a single run the band is the 95 % interval, where its figures were estimated.

    Args:
        runs: the columns of their metrics.csv, evaluated at the same steps.
        path: of the pictures, without the ending.
        title: above the picture.
        last_step: where the picture ends; at the end of the runs for None.

    Returns:
        The files written.

    Raises:
        ValueError: there is no run, or they were evaluated at different steps.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator

    _check(runs)
    panels = [panel for panel in (_draw_score, _draw_entropy, _draw_skill) if _has(runs, _COLUMN[panel.__name__])]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2 * len(panels) + 0.8, 3.7), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08))
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        end = last_step or int(runs[0]["step"][-1])
        for ax, draw in zip(axes, panels, strict=True):
            draw(ax, runs)
            ax.set_xlim(0, end)
            ax.set_xlabel("environment steps")
            ax.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
            ax.xaxis.set_major_locator(MaxNLocator(5))
        if title:
            figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12.5)
        files = [path.with_name(f"{path.name}.{ending}") for ending in ("svg", "png")]
        figure.savefig(files[0], metadata={"Date": None})
        figure.savefig(files[1], dpi=160)
    return files


def _draw_score(ax: Axes, runs: Sequence[dict[str, list[float]]]) -> None:
    """Success, or the return where success is not told."""
    is_success = _has(runs, "success")
    ax.set_title("Success" if is_success else "Return")
    if is_success:
        levels = {"chance": _first(runs, "random_success"), "best possible": _first(runs, "success_ceiling")}
        ax.set_ylim(-0.02, 1.1)
        ax.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    else:
        levels = {
            "random": _first(runs, "random_return"),
            "best memoryless": _first(runs, "memoryless_return"),
            "optimal": _first(runs, "optimal_return"),
        }
    horizontal_lines(ax, levels)
    _band(ax, runs, "success" if is_success else "return", BLUE)


def _draw_entropy(ax: Axes, runs: Sequence[dict[str, list[float]]]) -> None:
    ax.set_title("Entropy of the policy (nats)")
    most = _first(runs, "max_entropy")
    horizontal_lines(ax, {"uniform": most})
    horizontal_lines(ax, {"deterministic": 0.0}, below=True)
    if not math.isnan(most):
        ax.set_ylim(-0.12 * most, 1.12 * most)
    _band(ax, runs, "entropy", ORANGE)


def _draw_skill(ax: Axes, runs: Sequence[dict[str, list[float]]]) -> None:
    ax.set_title("Skill of the world model")
    curve = _curve(runs, "world_model_skill")
    horizontal_lines(ax, {"looks at nothing": 0.0, "least error possible": 1.0})
    ax.set_ylim(min(-0.15, 1.1 * float(curve.quartiles[0].min())), 1.15)
    _band(ax, runs, "world_model_skill", GREEN)


_COLUMN = {"_draw_score": "return", "_draw_entropy": "entropy", "_draw_skill": "world_model_skill"}


def _band(ax: Axes, runs: Sequence[dict[str, list[float]]], name: str, colour: str) -> None:
    curve = _curve(runs, name)
    band = curve.quartiles if len(runs) > 1 else _interval(runs[0], name)
    if band is not None:
        ax.fill_between(curve.steps, *band, color=colour, alpha=0.22, linewidth=0)
    ax.plot(curve.steps, curve.median, color=colour, linewidth=2.2)


def _interval(run: dict[str, list[float]], name: str) -> tuple[Floats, Floats] | None:
    """The ends of the 95 % intervals; None where the figures are exact."""
    ends = (f"{name}_low", f"{name}_high")
    return (np.array(run[ends[0]]), np.array(run[ends[1]])) if all(_has([run], end) for end in ends) else None


def _curve(runs: Sequence[dict[str, list[float]]], name: str) -> Curve:
    return Curve(np.array(runs[0]["step"]), np.array([run[name] for run in runs]))


def _has(runs: Sequence[dict[str, list[float]]], name: str) -> bool:
    return all(name in run and not any(math.isnan(value) for value in run[name]) for run in runs)


def _first(runs: Sequence[dict[str, list[float]]], name: str) -> float:
    return runs[0][name][0] if name in runs[0] else math.nan


def _check(runs: Sequence[dict[str, list[float]]]) -> None:
    if not runs:
        raise ValueError("a learning curve needs at least one run")
    if any(run["step"] != runs[0]["step"] for run in runs):
        raise ValueError("the runs were evaluated at different steps, so they have no common curve")
