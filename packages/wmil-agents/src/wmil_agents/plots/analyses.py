"""Pictures of analyses: probes beside their controls, embeddings, reliability, emergence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wmil_agents.analysis.calibration import Calibration
from wmil_agents.analysis.emergence import Emergence
from wmil_agents.analysis.linear_probe import Probe
from wmil_agents.plots.style import ARMS, BLUE, FAINT, INK, ORANGE, STYLE, horizontal_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_COLOURS = 10
"""Labels in an embedding that can be told apart by colour; more of them become a scale."""


def draw_probes(probes: Mapping[str, Probe], path: Path) -> list[Path]:
    """Draw each probe's score with its interval beside its shuffled control, as SVG and PNG."""

    def draw(ax: Axes) -> None:
        for place, (name, probe) in enumerate(probes.items()):
            if probe.score is None or probe.control is None or not (probe.interval and probe.control_interval):
                ax.text(0.02, place, f"{name} is constant", va="center", color=FAINT)
                continue
            ax.plot(probe.control_interval, [place, place], color=FAINT, linewidth=9, alpha=0.35, solid_capstyle="butt")
            ax.plot([probe.control], [place], "|", color=FAINT, markersize=14, markeredgewidth=2)
            ax.plot(probe.interval, [place, place], color=BLUE, linewidth=2)
            ax.plot([probe.score], [place], "o", color=BLUE, markersize=7)
        ax.plot([], [], "o-", color=BLUE, label="probe, 95 %")
        ax.plot([], [], color=FAINT, linewidth=9, alpha=0.35, label="shuffled labels")
        ax.set_yticks(range(len(probes)), list(probes))
        ax.set_ylim(len(probes) - 0.5, -0.5)
        lows = [0.0, *(probe.interval[0] for probe in probes.values() if probe.interval)]
        ax.set_xlim(max(-1.0, min(lows)) - 0.02, 1.05)
        ax.set_xlabel("accuracy, or R squared of a number, on rows left out")
        ax.legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)

    return _drawn(draw, path, (6.4, 1.5 + 0.45 * len(probes)))


def draw_embedding(points: NDArray[Any], labels: NDArray[Any], path: Path, title: str = "") -> list[Path]:
    """Draw points (n, 2) coloured by their labels, as SVG and PNG; each distinct point once."""

    def draw(ax: Axes) -> None:
        rows = np.unique(np.column_stack([points.round(6), labels]), axis=0)
        found = np.unique(rows[:, 2])
        if len(found) > _MAX_COLOURS:
            drawn = ax.scatter(rows[:, 0], rows[:, 1], c=rows[:, 2], cmap="viridis", s=26)
            ax.figure.colorbar(drawn, ax=ax)
        else:
            import matplotlib.pyplot as plt

            ten = [plt.get_cmap("tab10")(place) for place in range(_MAX_COLOURS)]
            colours = ARMS if len(found) <= len(ARMS) else ten
            for place, label in enumerate(found):
                own = rows[rows[:, 2] == label]
                style: Any = {"s": 26, "label": f"{label:g}", "edgecolor": "white", "linewidth": 0.4}
                ax.scatter(own[:, 0], own[:, 1], color=colours[place], **style)
            ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
        ax.set_title(title)
        ax.set_xticks([])
        ax.set_yticks([])

    return _drawn(draw, path, (5.6, 4.4))


def draw_reliability(calibration: Calibration, path: Path, title: str = "") -> list[Path]:
    """Draw how often things happened against how likely they were said to be, as SVG and PNG."""

    def draw(ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        for one in calibration.bins:
            ax.plot([one.confidence] * 2, one.interval, color=BLUE, linewidth=1.6)
            ax.plot(one.confidence, one.rate, "o", color=BLUE, markersize=4 + 5 * (one.n / calibration.n) ** 0.5)
        ax.set_xlim(-0.02, 1.04)
        ax.set_ylim(-0.02, 1.04)
        ax.set_aspect("equal")
        ax.set_xlabel("probability that was said")
        ax.set_ylabel("how often it happened (95 %)")
        ax.set_title(title or f"Calibration error {calibration.error:.3f}, {calibration.n:,} events", fontsize=10.5)

    return _drawn(draw, path, (4.6, 4.6))


def draw_emergence(steps: NDArray[Any], entropies: NDArray[Any], emergence: Emergence, path: Path) -> list[Path]:
    """Draw the entropy of attention over learning, with the threshold and where it was crossed, as SVG and PNG."""

    def draw(ax: Axes) -> None:
        ax.plot(steps, entropies, color=ORANGE, linewidth=2.2)
        horizontal_lines(ax, {"threshold": emergence.threshold}, below=True)
        if emergence.step is not None:
            ax.axvline(emergence.step, color=INK, linewidth=1)
        ax.set_ylim(0.0, 1.1 * float(np.max(entropies)))
        ax.set_xlabel("environment steps")
        ax.set_title("Entropy of attention (nats)")
        note = str(emergence) if emergence.step is None else f"emerged at step {emergence.step:,}"
        ax.text(0.01, 0.03, note, transform=ax.transAxes, color=FAINT, fontsize=9)

    return _drawn(draw, path, (6.4, 3.2))


def _drawn(draw: Callable[[Axes], None], path: Path, inches: tuple[float, float]) -> list[Path]:
    """The files of one picture."""
    import matplotlib.pyplot as plt

    files = [path.with_name(f"{path.name}.{ending}") for ending in ("svg", "png")]
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=inches, layout="constrained")
        draw(ax)
        figure.savefig(files[0], metadata={"Date": None})
        figure.savefig(files[1], dpi=160)
        plt.close(figure)
    return files
