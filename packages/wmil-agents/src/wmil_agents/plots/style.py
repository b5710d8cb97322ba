"""How all pictures look: colours, lines, letters."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
"""Colours of Okabe and Ito (2008), which can be told apart with every kind of colour vision."""
ARMS = (BLUE, ORANGE, GREEN, "#B5548A", "#967000", "#333333")
"""Of the lines in one picture, in order; the later ones darker than theirs, to be seen on white."""
ARMS_ON_DARK = ("#56B4E9", "#F58442", "#1FC295", "#E39AC4", "#E6C229", "#E8E8E8")
"""The same lines on a dark page."""
DASHED = (0, (5, 2))
"""The line of an arm that was told more than the rewards of its own actions."""
INK, FAINT = "#333333", "#767676"
STYLE: Any = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "font.size": 10.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "wmil",
    "svg.fonttype": "none",
}


def matplotlib_is_installed() -> bool:
    """Whether anything can be drawn."""
    return find_spec("matplotlib") is not None


def horizontal_lines(ax: Axes, levels: dict[str, float], *, below: bool = False) -> None:
    """Dashed floors and ceilings, each with its name at its right end; names of one height share a line."""
    names_at: dict[float, list[str]] = {}
    for name, height in levels.items():
        if not math.isnan(height):
            names_at.setdefault(round(height, 9), []).append(name)
    for height, names in names_at.items():
        ax.axhline(height, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate(
            f"{' = '.join(names)} ({height:.3g})",
            (1.0, height),
            xycoords=("axes fraction", "data"),
            xytext=(0, -4 if below else 3),
            textcoords="offset points",
            ha="right",
            va="top" if below else "bottom",
            color=FAINT,
            fontsize=9,
        )
