"""Single figures of recorded runs, for a paper or a page: SVG, PNG or PDF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wmil_agents.plots.inner_views import attention_view, feature_view
from wmil_agents.plots.level_scores import level_scores
from wmil_agents.plots.panels import (
    Panel,
    attribute_panels,
    component_panels,
    learning_panels,
    score_column,
    score_panel,
)
from wmil_agents.plots.style import ARMS, DASHED, INK, STYLE, horizontal_lines
from wmil_agents.runs.input_error import InputError, nearest
from wmil_agents.runs.recorded_arm import RecordedArm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURES = {
    "learning-curve": "score, entropy and skill of the world model over the steps",
    "score": "the score alone",
    "world-model": "skill of the world model at each attribute",
    "reward-components": "goal, prediction and consistency while it learnt",
    "levels": "success at every level",
    "attention": "what attends to what, from the samples of an episode log",
    "embedding": "hidden features in a plane, from the samples of an episode log",
}
"""What can be drawn, each with what it shows."""
ENDINGS = (".svg", ".png", ".pdf")

_WIDTH, _HEIGHT = 4.2, 3.7
_IN_A_ROW = 3
_LEVEL_HEIGHT = 0.28
_ROOM = 0.06
"""Above the highest line, for its name."""


def draw_figure(arms: Sequence[RecordedArm], name: str, out: Path, title: str = "") -> None:
    """Draw one of `FIGURES`; the same runs give the same file.

    Lines are interquartile means over the runs of an arm, bands their 95 % bootstrap intervals; of a single run the
    band is the interval of its estimates. An arm that was told more than the rewards of its own actions is dashed.

    Raises:
        InputError: there is no such figure or no such kind of file, the runs do not hold what it shows, or the file
            cannot be written.
    """
    if name not in FIGURES:
        raise InputError(f"there is no figure {name!r}; {nearest(name, FIGURES)}")
    if out.suffix not in ENDINGS:
        raise InputError(f"a figure is written as {', '.join(ENDINGS)}, and {out} ends otherwise")
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure = _DRAWN[name](arms) if name in _DRAWN else _draw_panels(arms, _panels(arms, name), name)
        if title:
            figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12.5)
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(out.suffix)
        try:
            figure.savefig(out, metadata=metadata, dpi=160)
        except OSError as error:
            raise InputError(f"the figure {out} cannot be written: {error.strerror}") from None


def _panels(arms: Sequence[RecordedArm], name: str) -> list[Panel]:
    column = score_column(arms)
    match name:
        case "learning-curve":
            return learning_panels(arms, column)
        case "score":
            return [score_panel(arms, column)]
        case "world-model":
            return attribute_panels(arms)
        case _:
            return component_panels()


def _draw_panels(arms: Sequence[RecordedArm], panels: Sequence[Panel], name: str) -> Figure:
    shown = [panel for panel in panels if any(arm.curve(panel.column, panel.source) for arm in arms)]
    if not shown:
        raise InputError(f"the runs hold nothing for the figure {name}: {FIGURES[name]}")
    n_rows, n_columns = -(-len(shown) // _IN_A_ROW), min(len(shown), _IN_A_ROW)
    figure = _figure(_WIDTH * n_columns + 0.8, _HEIGHT * n_rows)
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax, panel in zip(axes, shown, strict=False):
        _draw_panel(ax, arms, panel)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    _legend(figure, axes[0], arms)
    return figure


def _draw_panel(ax: Axes, arms: Sequence[RecordedArm], panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_title(panel.title)
    horizontal_lines(ax, dict(panel.levels))
    end = 0.0
    for place, arm in enumerate(arms):
        curve = arm.curve(panel.column, panel.source)
        if curve is None:
            continue
        style: Any = {"color": ARMS[place % len(ARMS)]}
        if curve.band is not None:
            ax.fill_between(curve.steps, *curve.band, alpha=0.2, linewidth=0, **style)
        line = DASHED if arm.mark else "solid"
        ax.plot(curve.steps, curve.middle, linewidth=2.2, linestyle=line, label=arm.label, **style)
        end = max(end, float(curve.steps[-1]))
    ax.set_xlim(0, end or 1.0)
    if panel.is_share:
        ax.set_ylim(-0.02, 1.1)
        ax.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    else:
        low, high = ax.get_ylim()
        ax.set_ylim(low, panel.high or high + _ROOM * (high - low))
    ax.set_xlabel("environment steps")
    ax.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    ax.xaxis.set_major_locator(MaxNLocator(5))


def _draw_levels(arms: Sequence[RecordedArm]) -> Figure:
    found = [level for level in level_scores(arms) if level.scores]
    if not found:
        raise InputError(f"the runs hold nothing for the figure levels: {FIGURES['levels']}")
    height = sum(1 + len(level.scores) for level in found) * _LEVEL_HEIGHT + 1.4
    figure = _figure(6.4, height)
    ax = figure.subplots()
    ax.set_title("Success by level")
    y, ticks = 0.0, []
    for level in found:
        ticks.append((y + (len(level.scores) - 1) / 2, level.name))
        first = y
        for place, score in level.scores.items():
            style: Any = {"color": ARMS[place % len(ARMS)]}
            if score.interval is not None:
                ax.plot(score.interval, [y, y], linewidth=3, alpha=0.5, **style)
            ax.plot(score.runs, np.full(len(score.runs), y), ".", alpha=0.4, markeredgewidth=0, **style)
            ax.plot([score.middle], [y], "o", label=arms[place].label if level is found[0] else None, **style)
            y += 1.0
        for bound in (level.floor, level.ceiling):
            ax.plot([bound, bound], [first - 0.5, y - 0.5], color="#767676", linewidth=1, linestyle=(0, (4, 3)))
        y += 1.0
    ax.set_yticks([tick for tick, _ in ticks], [name for _, name in ticks])
    ax.set_xlim(-0.02, 1.02)
    ax.invert_yaxis()
    ax.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    ax.set_xlabel("success; dashed: chance and best possible")
    _legend(figure, ax, arms)
    return figure


def _draw_attention(arms: Sequence[RecordedArm]) -> Figure:
    found = [(arm, view) for arm in arms if (view := attention_view(arm)) is not None]
    if not found:
        raise InputError("no attention was sampled: train with episodes.every=1 and episodes.attention=true")
    n_layers = max(len(view.weights) for _, view in found)
    figure = _figure(3.6 * n_layers, 3.4 * len(found))
    axes = figure.subplots(len(found), n_layers, squeeze=False)
    for row, (arm, view) in zip(axes, found, strict=True):
        for layer, (ax, weights) in enumerate(zip(row, view.weights, strict=False), start=1):
            ax.set_title(f"Layer {layer}" if len(arms) == 1 else f"Layer {layer}, {arm.label}")
            ax.imshow(weights, cmap="Blues", vmin=0.0, vmax=1.0)
            places = range(len(view.tokens))
            ax.set_xticks(places, view.tokens, rotation=45, ha="right")
            ax.set_yticks(places, view.tokens)
            for query, key in np.ndindex(weights.shape):
                colour = "white" if weights[query, key] > 0.5 else INK
                ax.text(key, query, f"{weights[query, key]:.2f}", ha="center", va="center", color=colour, fontsize=8)
    return figure


def _draw_embedding(arms: Sequence[RecordedArm]) -> Figure:
    found = [(arm, view) for arm in arms if (view := feature_view(arm)) is not None and view.labels]
    if not found:
        raise InputError("no features were sampled: train with episodes.every=1 and episodes.features=true")
    n_columns = max(len(view.labels) for _, view in found)
    figure = _figure(3.8 * n_columns, 3.8 * len(found))
    axes = figure.subplots(len(found), n_columns, squeeze=False)
    for row, (arm, view) in zip(axes, found, strict=True):
        for ax, (column, labels) in zip(row, view.labels.items(), strict=False):
            ax.set_title(f"By {column}" if len(arms) == 1 else f"By {column}, {arm.label}")
            kinds = sorted(set(labels))
            ax.scatter(*view.points.T, s=0)
            for (x, y), label in zip(view.points.tolist(), labels, strict=True):
                colour = ARMS[kinds.index(label) % len(ARMS)]
                ax.text(x, y, label, color=colour, ha="center", va="center", fontsize=8.5, parse_math=False)
            for axis, share in zip((ax.set_xlabel, ax.set_ylabel), view.shares, strict=True):
                axis(f"{share:.0%} of the variance")
    return figure


_DRAWN: dict[str, Callable[[Sequence[RecordedArm]], Figure]] = {
    "levels": _draw_levels,
    "attention": _draw_attention,
    "embedding": _draw_embedding,
}


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08))
    FigureCanvasAgg(figure)
    return figure


def _legend(figure: Figure, ax: Axes, arms: Sequence[RecordedArm]) -> None:
    if len(arms) < 2:
        return
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower left", frameon=False, labelcolor=INK, fontsize=9.5, ncols=min(len(arms), 4)
    )
