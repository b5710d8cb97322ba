"""What sections are made of: headings, figures with their numbers, tables, chips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wmil_agents.reports.markup import Child, Markup, element
from wmil_agents.reports.series import swatch
from wmil_agents.runs.recorded_arm import RecordedArm


class Missing(NamedTuple):
    """A section that the runs have nothing for."""

    what: str
    """Would be shown."""
    why: str
    """It is not, and how to get it."""


def missing(parts: Sequence[Missing]) -> Markup | None:
    """The section of what is not shown; None where nothing is missing."""
    if not parts:
        return None
    items = [element("li", element("strong", part.what), f": {part.why}.") for part in parts]
    return section("missing", "Not recorded in these runs", element("ul", items, class_="plain"))


def section(name: str, heading: str, *children: Child) -> Markup:
    """A part of the page, to which its contents link.

    Args:
        name: its id.
        heading: its heading.
        *children: what is in it.
    """
    return element("section", element("h2", heading), *children, id=name)


def note(text: str) -> Markup:
    """A remark below or instead of a figure."""
    return element("p", text, class_="note")


def figure(caption: str, chart: Child, remark: str | None = None) -> Markup:
    """A drawing below its name."""
    words = None if remark is None else element("p", remark, class_="note")
    return element("figure", element("figcaption", caption), chart, words)


def grid(figures: Iterable[Markup]) -> Markup:
    """Figures beside each other where there is room, below each other on a phone."""
    return element("div", list(figures), class_="grid")


def table(headings: Sequence[str], rows: Iterable[Sequence[Child]], *, figures_from: int = 1) -> Markup:
    """A table whose first columns are words, and the others figures.

    Args:
        headings: of the columns.
        rows: their cells.
        figures_from: the first column of figures.
    """

    def kind(column: int) -> str | None:
        return "figure" if column >= figures_from else None

    cells = [element("th", _breakable(name), scope="col", class_=kind(i)) for i, name in enumerate(headings)]
    head = element("tr", cells)
    body = [
        element("tr", [element("td", cell, class_=kind(i), data_head=headings[i]) for i, cell in enumerate(row)])
        for row in rows
    ]
    return element("table", element("thead", head), element("tbody", body))


def numbers(summary: str, content: Child, *, is_open: bool = False) -> Markup:
    """What is shown when it is asked for."""
    kept = element("div", content, class_="scroll")
    return element("details", element("summary", summary), kept, open="" if is_open else None)


def chip(text: str, kind: str) -> Markup:
    """A word in a coloured frame."""
    return element("span", text, class_=f"chip {kind}")


def arm_name(arm: RecordedArm, place: int, *, with_swatch: bool = True) -> Markup:
    """The name of an arm with its line, and its mark where it was told more than its rewards."""
    return element(
        "span",
        swatch(place) if with_swatch else None,
        element("bdi", _breakable(arm.name)),
        chip(arm.mark, "mark") if arm.mark else None,
        class_="arm",
    )


def legend(arms: Sequence[RecordedArm]) -> Markup | None:
    """Which line is whose; None where there is one arm."""
    if len(arms) < 2:
        return None
    return element("ul", [element("li", arm_name(arm, i)) for i, arm in enumerate(arms)], class_="legend")


def _breakable(name: str) -> Child:
    """The name of an arm, which may go on in the next line after each of its settings."""
    first, *others = name.split(",")
    return [first, *([",", element("wbr"), other] for other in others)]
