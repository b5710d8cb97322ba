"""A matrix of shares as squares, darker for more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wmil_agents.reports.drawing import drawing
from wmil_agents.reports.markup import Markup, element, joined

_N_SHADES = 10
_CELL, _LEFT, _TOP, _RIGHT = 46.0, 96.0, 70.0, 40.0
_LONGEST_NAME = 13
_MAX_CELLS = 32


def heat_map(
    title: str,
    description: str,
    values: npt.NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    most: float = 1.0,
) -> Markup:
    """The drawing; a cell's percentage is in it where there is room, and the darkest shade is at `most`.

    Args:
        title: what a screen reader calls it.
        description: what it says, in a sentence.
        values: (R, C), from 0; of many rows or columns the first ones are drawn.
        rows: their names.
        columns: their names.
        most: the value of the darkest shade.
    """
    drawn = values[:_MAX_CELLS, :_MAX_CELLS]
    cell = min(_CELL, 330.0 / max(drawn.shape))
    parts: list[Markup] = []
    for i, row in enumerate(drawn.tolist()):
        y = _TOP + i * cell
        parts.append(
            element("text", _short(rows[i]), x=_LEFT - 8, y=y + cell / 2 + 4, class_="tick", text_anchor="end")
        )
        for j, value in enumerate(row):
            shade = int(np.clip(value / most, 0.0, 1.0) * (_N_SHADES - 1) + 0.5) if value == value else 0
            x = _LEFT + j * cell
            classes = f"cell s{shade}"
            parts.append(element("rect", x=x, y=y, width=cell - 1.5, height=cell - 1.5, rx=3.0, class_=classes))
            if cell > 30:
                place = {"x": x + cell / 2 - 0.75, "y": y + cell / 2 + 3.5}
                text = f"{100 * value:.0f}"
                kind = f"number {'dark' if shade >= _N_SHADES // 2 else 'light'}"
                parts.append(element("text", text, **place, class_=kind, text_anchor="middle"))
    for j, name in enumerate(columns[: drawn.shape[1]]):
        x = _LEFT + (j + 0.5) * cell
        turned = f"translate({x:.1f} {_TOP - 8:.1f}) rotate(-38)"
        parts.append(element("text", _short(name), transform=turned, class_="tick"))
    width = _LEFT + drawn.shape[1] * cell + _RIGHT
    return drawing(title, description, max(width, 300.0), _TOP + drawn.shape[0] * cell + 6, joined(parts))


def _short(name: str, longest: int = _LONGEST_NAME) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
