"""Who judged: the sources of the verdicts and their cost, where the parent is a language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from wmil_agents.evaluation.quantity import figure_text
from wmil_agents.reports.blocks import Missing, note, numbers, section, table
from wmil_agents.reports.markup import Child, Markup
from wmil_agents.runs.recorded_arm import RecordedArm

_DEPTH = 4
_MOST = 200
_SHOWN = {
    "provider": "provider",
    "model": "model",
    "mode": "mode",
    "file": "recording",
    "cells.": "verdicts on pairs, by source:",
    "fallback_share": "share of answers that the fallback judged",
    "spent.calls": "calls of the store so far",
    "spent.input_tokens": "input tokens",
    "spent.output_tokens": "output tokens",
    "spent.dollars": "dollars",
    "card.cost.calls": "calls behind this parent's answers",
    "card.cost.dollars": "dollars behind them",
    "card.coverage.": "coverage:",
    "card.against_the_rule.agreement": "agreement with the rule",
    "card.against_the_rule.kappa": "Cohen's kappa against the rule",
    "card.canaries.": "canaries:",
    "unknown": "not known, because",
}


def parent(arms: Sequence[RecordedArm]) -> Markup | Missing | None:
    """The section; None where every parent is a rule."""
    judged = {arm.name: _facts(run.parent) for arm in arms for run in arm.runs if run.parent is not None}
    asked = [run for arm in arms for run in arm.runs if _is_model(run.settings.env.arguments.get("parent"))]
    if not judged and not asked:
        return None
    if not judged:
        return Missing("Parent", "it is a language model, and a run says what it said and cost when it has ended")
    rows = [(name, *(facts.get(name, "-") for facts in judged.values())) for name in _names(judged.values())]
    short = [(label, *row[1:]) for row in rows if (label := _label(row[0])) is not None]
    content: list[Child] = [
        table(["", *judged], short),
        note("What was spent is the store's, over all runs that share it. A question is asked once."),
        numbers("The whole record", table(["", *judged], rows)),
    ]
    return section("parent", "Parent", *content)


def _is_model(parent: object) -> bool:
    return isinstance(parent, dict) and parent.get("kind") == "llm"


def _label(name: str) -> str | None:
    for start, words in _SHOWN.items():
        if name == start:
            return words
        if start.endswith(".") and name.startswith(start):
            return f"{words} {name.removeprefix(start).replace('_', ' ')}"
    return None


def _names(judged: Any) -> list[str]:
    return list(dict.fromkeys(name for facts in judged for name in facts))


def _facts(document: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _leaves("", document, _DEPTH):
        if len(found) == _MOST:
            break
        found[name] = figure_text(value) if isinstance(value, float) else str(value)[:_MOST]
    return found


def _leaves(path: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and depth:
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner, depth - 1)
    else:
        yield path, value
