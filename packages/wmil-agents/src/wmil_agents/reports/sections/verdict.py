"""The verdict on a single run: each criterion between its floor and its ceiling."""

from __future__ import annotations

import math
from collections.abc import Sequence

from wmil_agents.evaluation.quantity import figure_text
from wmil_agents.reports.blocks import Missing, chip, note, section
from wmil_agents.reports.gauge import answer_of, gauge
from wmil_agents.reports.markup import Child, Markup, element
from wmil_agents.runs.recorded_arm import RecordedArm

_WORDS = {"passed": "✓ passed", "failed": "✗ failed", "open": "not judged"}
_FIGURES = ("value", "threshold", "floor", "ceiling")
_NAMES = {"value": "value", "threshold": "held against", "floor": "floor", "ceiling": "ceiling"}


def verdict(arms: Sequence[RecordedArm]) -> Markup | Missing | None:
    """The section; None where there are several runs, whose verdicts are counted elsewhere."""
    runs = [run for arm in arms for run in arm.runs]
    if len(runs) != 1:
        return None
    (run,) = runs
    if run.verdict is None:
        return Missing("Verdict", "this run has not ended")
    cards = [_card(criterion) for criterion in run.criteria]
    legend = note(
        "On each line: floor and ceiling at its ends, the upright what it was held against, the dot the value."
    )
    return section("verdict", "Verdict", element("div", cards, class_="cards"), legend)


def _card(criterion: dict[str, object]) -> Markup:
    answer = answer_of(criterion)
    figures: list[Child] = []
    for name in _FIGURES:
        value = criterion.get(name)
        text = figure_text(float(value)) if isinstance(value, int | float) and math.isfinite(value) else "-"
        figures.append(element("div", element("dt", _NAMES[name]), element("dd", text)))
    remark = str(criterion.get("note") or "")
    return element(
        "article",
        element("h3", str(criterion.get("statement", ""))),
        chip(_WORDS[answer], answer),
        gauge(criterion),
        element("dl", figures),
        note(remark) if remark else None,
        class_="card",
    )
