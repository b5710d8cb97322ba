"""Points in a plane, told apart by what they belong to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wmil_agents.reports.drawing import drawing
from wmil_agents.reports.markup import Markup, element, joined
from wmil_agents.reports.scale import Scale, spread

_SIZE = 340.0
_MARGIN = 16.0
_MAX_POINTS = 600


def scatter(title: str, description: str, points: npt.NDArray[np.float64], names: Sequence[str]) -> Markup:
    """The drawing: each point (N, 2) with its name written at its place; of many, evenly chosen ones are drawn.

    Args:
        title: what a screen reader calls it.
        description: what it says, in a sentence.
        points: (N, 2)
        names: of what each belongs to; of few letters, as they are written at the points.
    """
    if len(points) > _MAX_POINTS:
        chosen = np.linspace(0, len(points) - 1, _MAX_POINTS).astype(np.int64)
        points, names = points[chosen], [names[i] for i in chosen]
    kinds = sorted(set(names))
    x = Scale(*spread(points[:, 0].tolist()), _MARGIN, _SIZE - _MARGIN)
    y = Scale(*spread(points[:, 1].tolist()), _SIZE - _MARGIN, _MARGIN)
    parts = [element("rect", x=1.0, y=1.0, width=_SIZE - 2, height=_SIZE - 2, rx=8.0, class_="frame")]
    for (across, up), name in zip(points.tolist(), names, strict=True):
        classes = f"point c{kinds.index(name) % 6}"
        at = {"x": x.place(across), "y": y.place(up) + 4}
        parts.append(element("text", name[:6], **at, class_=classes, text_anchor="middle"))
    return drawing(title, description, _SIZE, _SIZE, joined(parts))
