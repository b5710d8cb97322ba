"""The frame of every drawing: it scales with its column, and a screen reader is told what it shows."""

from __future__ import annotations

from wmil_agents.reports.markup import Child, Markup, element


def drawing(title: str, description: str, width: float, height: float, parts: Child, kind: str = "chart") -> Markup:
    """An SVG element with its title and description.

    Args:
        title: what it is called.
        description: what it says, in a sentence.
        width: of the paper, in its own units; on the page it is as wide as its column.
        height: in the same units.
        parts: what is drawn.
        kind: its class in the style sheet.
    """
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        parts,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=f"{title}. {description}",
        class_=kind,
    )
