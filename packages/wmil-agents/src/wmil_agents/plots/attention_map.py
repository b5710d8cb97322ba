"""Attention maps by layer and head, and their time-lapse."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wmil_agents.analysis.attention import AttentionHistory, AttentionMaps
from wmil_agents.plots.style import BLUE, INK, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES = 2.2
"""Of one map."""
_MAX_FRAMES = 60
"""Of a time-lapse; of more steps some are left out, evenly."""
_PAPER, _SHADE = "#f6f8fa", 0.65
"""The colour of no weight, and the weight from which numbers are white."""


def draw_attention(maps: AttentionMaps, path: Path, title: str = "") -> list[Path]:
    """Draw one map for each layer and head as SVG and PNG; darker is more, and small maps have their numbers in them.

    Args:
        maps: what to draw.
        path: of the files, without an ending.
        title: over all maps.

    Returns:
        The files written.
    """
    files = [path.with_name(f"{path.name}.{ending}") for ending in ("svg", "png")]
    with _figure(maps.weights, maps.tokens, title or f"Attention, mean of {maps.n:,} observations") as figure:
        figure.savefig(files[0], metadata={"Date": None})
        figure.savefig(files[1], dpi=160)
    return files


def draw_attention_timelapse(history: AttentionHistory, path: Path, milliseconds: int = 250) -> Path:
    """Draw the maps of a whole run as an animated GIF, one frame for each sampled step; the last one stays longer.

    Args:
        history: from `attention_history`.
        path: of the file.
        milliseconds: of each frame.
    """
    from PIL import Image

    n_steps = len(history.steps)
    chosen = np.unique(np.linspace(0, n_steps - 1, min(n_steps, _MAX_FRAMES)).astype(int))
    frames = []
    for place in chosen.tolist():
        step, entropy = int(history.steps[place]), float(history.entropies[place])
        picture, title = io.BytesIO(), f"Step {step:,}, mean entropy {entropy:.2f} nats"
        with _figure(history.weights[place], history.tokens, title) as figure:
            figure.savefig(picture, format="png", dpi=90)
        frames.append(Image.open(picture).convert("P", palette=Image.Palette.ADAPTIVE, colors=64))
    durations = [milliseconds] * (len(frames) - 1) + [6 * milliseconds]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0, disposal=2)
    return path


@contextmanager
def _figure(weights: NDArray[Any], tokens: Sequence[str], title: str) -> Iterator[Figure]:
    """A block with the figure of some maps; it is to be saved there, where the style holds."""
    import matplotlib.pyplot as plt
    from matplotlib.colors import LinearSegmentedColormap

    n_layers, n_heads = weights.shape[:2]
    colours = LinearSegmentedColormap.from_list("attention", [_PAPER, BLUE])
    names = max(map(len, tokens)) * 0.085
    with plt.rc_context(STYLE):
        size = (max(4.0, n_heads * _INCHES + names + 0.4), n_layers * _INCHES + names + 0.8)
        figure, axes = plt.subplots(n_layers, n_heads, figsize=size, squeeze=False, layout="constrained")
        for layer in range(n_layers):
            for head in range(n_heads):
                ax: Axes = axes[layer, head]
                ax.imshow(weights[layer, head], cmap=colours, vmin=0.0, vmax=1.0)
                ax.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=9.5, fontweight="normal")
                ax.set_xticks(range(len(tokens)), tokens if layer == n_layers - 1 else [], rotation=90, fontsize=8.5)
                ax.set_yticks(range(len(tokens)), tokens if head == 0 else [], fontsize=8.5)
                ax.tick_params(length=0)
                ax.spines[:].set_visible(False)
                if len(tokens) <= 6:
                    _write_numbers(ax, weights[layer, head])
        axes[0, 0].set_ylabel("query", fontsize=9)
        axes[-1, 0].set_xlabel("key", fontsize=9)
        figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=11.5)
        yield figure
        plt.close(figure)


def _write_numbers(ax: Axes, weights: NDArray[Any]) -> None:
    for (query, key), weight in np.ndenumerate(weights):
        if weight >= 0.005:
            colour = "white" if weight > _SHADE else INK
            ax.text(key, query, f"{weight:.2f}".lstrip("0"), ha="center", va="center", fontsize=7.5, color=colour)
