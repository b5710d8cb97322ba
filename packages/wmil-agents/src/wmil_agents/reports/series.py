"""What tells the lines of several arms apart: a colour, and a sign for those who see or print no colours."""

from __future__ import annotations

from wmil_agents.plots.style import ARMS
from wmil_agents.reports.markup import Markup, element, written

_SIGNS = ("circle", "square", "triangle", "diamond", "down", "cross")
_DASHES = ("", "7 3", "2 3")
"""Of the first arms, of the next ones with the same colours and signs, and so on."""
_SIZE = 4.0


def colour(place: int) -> str:
    """The class of the arm in this place, which the style sheet gives its colour."""
    return f"c{place % len(ARMS)}"


def dashes(place: int) -> str | None:
    """The dash pattern of the arm's line; None for an unbroken one."""
    return _DASHES[place // len(ARMS) % len(_DASHES)] or None


def sign(place: int, x: float, y: float, size: float = _SIZE) -> Markup:
    """The sign of the arm in this place."""
    s = size
    match _SIGNS[place % len(_SIGNS)]:
        case "circle":
            outline = [(s, 0.0)]
        case "square":
            outline = [(-s, -s), (s, -s), (s, s), (-s, s)]
        case "triangle":
            outline = [(0, -1.2 * s), (1.2 * s, s), (-1.2 * s, s)]
        case "diamond":
            outline = [(0, -1.4 * s), (1.4 * s, 0), (0, 1.4 * s), (-1.4 * s, 0)]
        case "down":
            outline = [(0, 1.2 * s), (1.2 * s, -s), (-1.2 * s, -s)]
        case _:
            t = 0.4 * s
            outline = [(-s, -t), (-t, -t), (-t, -s), (t, -s), (t, -t), (s, -t)]
            outline += [(-dx, -dy) for dx, dy in outline]
    classes = f"sign {colour(place)}"
    if len(outline) == 1:
        return element("circle", cx=x, cy=y, r=s, class_=classes)
    path = " ".join(f"{written(x + dx)},{written(y + dy)}" for dx, dy in outline)
    return element("polygon", points=path, class_=classes)


def swatch(place: int) -> Markup:
    """A piece of the arm's line with its sign, for a legend."""
    line = element(
        "line", x1=1.0, y1=8.0, x2=33.0, y2=8.0, class_=f"line {colour(place)}", stroke_dasharray=dashes(place)
    )
    return element("svg", line, sign(place, 17.0, 8.0), viewBox="0 0 34 16", class_="swatch", aria_hidden="true")
