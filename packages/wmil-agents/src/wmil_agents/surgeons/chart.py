"""A patient's chart: every head with its readings, and the strengths of the surgeon's edits, as text."""

from __future__ import annotations

from collections.abc import Sequence

from wmil_agents.surgeons.readings import Readings
from wmil_agents.surgery.anatomy import Anatomy
from wmil_agents.surgery.theater import SurgicalTheater


def chart(title: str, heads: Sequence[str], readings: Readings, theater: SurgicalTheater) -> str:
    """A table with one line for each head, then one for each strength that belongs to no head."""
    strengths = dict(zip(strength_names(theater), theater.strengths, strict=True))
    kinds = list(dict.fromkeys(kind for name in strengths for head, kind in [_head_and_kind(name)] if head in heads))
    width = max(map(len, heads))
    lines = [title, "  ".join([" " * width, "entropy", "log rms", *(f"{kind:>7}" for kind in kinds)])]
    for number, head in enumerate(heads):
        own = [strengths.pop(f"{head}.{kind}", None) for kind in kinds]
        cells = [f"{readings[number]:7.3f}", f"{readings[len(heads) + number]:7.3f}"]
        cells += [" " * 7 if strength is None else f"{strength:+7.3f}" for strength in own]
        lines.append("  ".join([f"{head:<{width}}", *cells]))
    lines += [f"{name}: {strength:+.3f}" for name, strength in strengths.items()]
    return "\n".join(lines)


def strength_names(theater: SurgicalTheater) -> list[str]:
    """What each of a theater's strengths is of: the name of its target, or what several share."""
    anatomy = Anatomy(theater.module)
    names: list[str] = []
    for edit in theater.edits:
        targets = [target.name for target in edit.chosen(anatomy)]
        n_strengths = edit.n_strengths(len(targets))
        own = targets if n_strengths == len(targets) else [f"{edit.kind} {edit.target}"] * n_strengths
        names += [name if name not in names else f"{edit.kind} {name} {len(names)}" for name in own]
    return names


def _head_and_kind(name: str) -> tuple[str, str]:
    head, _, kind = name.rpartition(".")
    return head, kind
