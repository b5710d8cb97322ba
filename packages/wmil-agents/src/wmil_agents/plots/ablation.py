"""What each head, layer and token of a model is worth, as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wmil_agents.analysis.ablation import Ablation, Measured, Removal
from wmil_agents.plots.style import BLUE, FAINT, INK, ORANGE, STYLE
from wmil_envs.oracle import Estimated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

_CELL, _BAR = 0.62, 0.3
"""Inches of a head, and of a bar."""
_FAINTEST = 0.05
"""The share of all that can be lost at which the colours of the maps end, even where every head is worth less."""
_SHADE = 0.6
"""The share of the scale from which numbers in a cell are white."""


def draw_ablation(ablation: Ablation, path: Path, title: str = "") -> Path:
    """Draw the drop without each head as a map, without each layer's attention and MLP and each token as bars.

    Blue is lost without the part, orange is won. Where pairs were taken away, a second map has what a pair costs beyond
    its two heads. Estimates have their 95 % interval at the bar, and in a map are faint where it holds 0.

    Args:
        ablation: from `ablate`.
        path: of the file; its ending says which kind.
        title: over the picture; the score if empty.
    """
    import matplotlib.pyplot as plt

    measure = ablation.measure
    heads, bars = ablation.of("head"), [one for kind in ("attention", "mlp", "token") for one in ablation.of(kind)]
    n_layers = 1 + max(one.part.layer or 0 for one in heads)
    n_heads = 1 + max(one.part.heads[0] for one in heads)
    limit = _limit(ablation)
    found = (*(one.drops for one in heads), *(one.excess for one in ablation.pairs))
    of_maps = max(*(abs(drops[measure]) for drops in found), _FAINTEST * limit)
    widths = [n_heads * _CELL + 1.4, 5.2, *([len(heads) * _CELL + 1.6] if ablation.pairs else [])]
    height = max(len(bars) * _BAR + 1.5, n_layers * _CELL + 1.7, (len(heads) * _CELL + 1.7) if ablation.pairs else 0.0)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, len(widths), figsize=(sum(widths), height), width_ratios=widths, layout="constrained", squeeze=False
        )
        _draw_heads(axes[0, 0], heads, (n_layers, n_heads), measure, of_maps)
        _draw_bars(axes[0, 1], bars, ablation, limit)
        if ablation.pairs:
            _draw_pairs(axes[0, 2], heads, ablation.pairs, measure, of_maps)
        figure.suptitle(
            title or ablation.summary[0].upper() + ablation.summary[1:], x=0.01, ha="left", color=INK, fontsize=12.5
        )
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=160)
        plt.close(figure)
    return path


def _draw_heads(ax: Axes, heads: Sequence[Removal], shape: tuple[int, int], measure: str, limit: float) -> None:
    ax.set_title(f"{measure.capitalize()} lost without a head")
    _draw_map(ax, shape, {(one.part.layer or 0, one.part.heads[0]): one.drops[measure] for one in heads}, limit)
    ax.set_xticks(range(shape[1]), [f"{head + 1}" for head in range(shape[1])])
    ax.set_yticks(range(shape[0]), [f"layer {layer + 1}" for layer in range(shape[0])])
    ax.set_xlabel("head")


def _draw_pairs(ax: Axes, heads: Sequence[Removal], pairs: Sequence[Removal], measure: str, limit: float) -> None:
    ax.set_title("Lost without two heads, beyond each alone")
    places = {one.part.edits: place for place, one in enumerate(heads)}
    found = {}
    for one in pairs:
        first, second = sorted(places[(edit,)] for edit in one.part.edits)
        found[second, first] = one.excess[measure]
    _draw_map(ax, (len(heads), len(heads)), found, limit)
    names = [f"{(one.part.layer or 0) + 1}.{one.part.heads[0] + 1}" for one in heads]
    ax.set_xticks(range(len(heads)), names)
    ax.set_yticks(range(len(heads)), names)
    ax.set_xlim(-0.5, len(heads) - 1.5)
    ax.set_ylim(len(heads) - 0.5, 0.5)
    ax.set_xlabel("layer.head")


def _draw_map(ax: Axes, shape: tuple[int, int], drops: dict[tuple[int, int], Measured], limit: float) -> None:
    values: NDArray[np.float64] = np.full(shape, np.nan)
    for place, drop in drops.items():
        values[place] = drop
        colour = FAINT if _holds_0(drop) else "white" if abs(drop) > _SHADE * limit else INK
        ax.text(*place[::-1], _text(drop, limit), ha="center", va="center", fontsize=8, color=colour)
    ax.imshow(values, cmap=_colours(), vmin=-limit, vmax=limit)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _draw_bars(ax: Axes, bars: Sequence[Removal], ablation: Ablation, limit: float) -> None:
    measure = ablation.measure
    ax.set_title("Lost without attention, MLP or token")
    for place, one in enumerate(bars):
        drop = one.drops[measure]
        ax.barh(place, drop, height=0.68, color=ORANGE if drop < 0.0 else BLUE)
        end = max(0.0, float(drop))
        if isinstance(drop, Estimated):
            ax.plot(drop.interval, [place, place], color=INK, linewidth=1.4)
            end = max(end, drop.interval[1])
        ax.annotate(
            _text(drop, limit), (end, place), (4, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK
        )
    ax.axvline(0.0, color=FAINT, linewidth=1)
    if measure in ablation.chance:
        above_chance = ablation.scores[measure] - ablation.chance[measure]
        ax.axvline(above_chance, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        ax.set_xlabel(f"{measure} lost; dashed: all that is above chance")
    else:
        ax.set_xlabel(f"{measure} lost")
    ax.set_yticks(range(len(bars)), [one.part.name for one in bars])
    ax.set_ylim(len(bars) - 0.5, -0.5)
    ax.set_xlim(min(0.0, *(float(one.drops[measure]) for one in bars)) * 1.2, 1.22 * limit)


def _limit(ablation: Ablation) -> float:
    """All that can be lost, as far as it is known."""
    measure = ablation.measure
    found = [abs(float(one.drops[measure])) for one in ablation.removals]
    found += [abs(float(one.excess[measure])) for one in ablation.pairs]
    if measure in ablation.chance:
        found.append(float(ablation.scores[measure] - ablation.chance[measure]))
    return max(*found, 1e-3 * abs(float(ablation.scores[measure])), 1e-9)


def _holds_0(drop: Measured) -> bool:
    return isinstance(drop, Estimated) and drop.interval[0] <= 0.0 <= drop.interval[1]


def _text(drop: float, limit: float) -> str:
    """With three figures of the largest; 0 has no sign."""
    decimals = max(0, 2 - math.floor(math.log10(limit)))
    return f"{round(float(drop), decimals) + 0.0:,.{decimals}f}"


def _colours() -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("ablation", [ORANGE, "#f6f8fa", BLUE])
