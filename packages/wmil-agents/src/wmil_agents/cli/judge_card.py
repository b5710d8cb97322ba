"""What is known of a model as a judge, in tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from wmil_agents.cli.console import figure, table
from wmil_envs.llm.budget import Spent
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.recordings.audit import Audit
from wmil_envs.recordings.estimate import Estimate

_LETTERS_OF_HASH = 12


def card_table(card: Mapping[str, Any]) -> Table:
    """The judge card of a frozen file."""
    return _pairs("Judge card", _card_rows(card))


def estimate_table(expected: Estimate, settings: LLMSettings, spent: Spent) -> Table:
    """What filling a table still takes, and what is allowed."""
    left = expected.questions - expected.answered
    most = ", at most: states are still to be chosen" if expected.is_bound else ""
    budget = settings.budget
    limits = [
        f"{name} {limit:,} ({used:,.6g} spent)"
        for name, limit, used in (
            ("calls", budget.calls, spent.calls),
            ("tokens", budget.tokens, spent.tokens),
            ("dollars", budget.dollars, spent.dollars),
        )
        if limit is not None
    ]
    rows = [
        ("questions", f"{expected.questions:,}, {expected.answered:,} of them answered, {left:,} to be asked{most}"),
        ("calls", f"{expected.calls:,}, {expected.canaries:,} of them canaries; retries come on top"),
        ("tokens", f"about {expected.input_tokens:,} in and {expected.output_tokens:,} out (bytes / 4)"),
        ("cost", "no prices are given" if expected.dollars is None else f"about ${expected.dollars:.4f}"),
        ("allowed in all", ", ".join(limits) or "no limit"),
    ]
    if budget.calls is not None and expected.calls > budget.calls - spent.calls:
        rows.append(("", f"too few calls are allowed: --max-calls {spent.calls + expected.calls} is enough"))
    return _pairs("Still to pay", rows)


def spent_text(spent: Spent) -> str:
    """What a store's calls cost over all runs."""
    dollars = f", ${spent.dollars:.4f}" if spent.dollars else ""
    unpriced = spent.unpriced_input_tokens + spent.unpriced_output_tokens
    without = f" ({unpriced:,} tokens without a price)" if unpriced else ""
    return (
        f"spent so far, over all runs with this store: {spent.calls:,} calls, {spent.input_tokens:,} input and "
        f"{spent.output_tokens:,} output tokens{dollars}{without}"
    )


def audit_tables(checked: Audit, most: int) -> Iterator[Table | str]:
    """Agreement with the rule, over all and level by level, and the disagreements in words.

    Args:
        checked: the audit.
        most: disagreements to tell.
    """
    headings = ("pairs", "agreement", "Cohen's\nkappa", "right for\nmodel only", "right for\nrule only")
    figures = table("Against the rule", "states", *headings)
    for name, one in (("all", checked.overall), *((f"  {name}", one) for name, one in checked.per_level.items())):
        counts = (str(one.model_only), str(one.rule_only))
        figures.add_row(name, str(one.n), figure(one.share), figure(one.kappa), *counts)
    yield figures
    yield f"{checked.judged} of {checked.states} states are judged in full, and compared."
    if checked.overall.why_no_kappa is not None:
        yield f"Kappa is undefined: {checked.overall.why_no_kappa}."
    if checked.samples is not None:
        yield f"Two samples of a question agree on {checked.samples:.1%} of the pairs."
    told = checked.disagreements[:most]
    for differs in told:
        marks = f"the model gives {differs.goal:.3g}, the rule {differs.rule:.3g}"
        yield f"- {differs.question} For {differs.means} {marks}."
    if len(checked.disagreements) > len(told):
        yield f"{len(checked.disagreements) - len(told)} more disagreements: --most {len(checked.disagreements)}"


def _card_rows(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    asked, cost, coverage, template = card["asked_of"], card["cost"], card["coverage"], card["template"]
    server = "the provider's own" if asked["server"] == "the provider's own" else "another"
    yield "asked of", f"{asked['model']} through the SDK {asked['provider']}, at {server} address"
    yield "answered by", ", ".join(f"{name or 'unnamed'} ({n})" for name, n in card["answered_by"].items())
    yield "asked", f"{card['first_asked']} to {card['last_asked']}"
    yield "prompt", f"template {template['version']}, {template['sha256'][:_LETTERS_OF_HASH]}"
    yield "decided by", ", ".join(f"{duty}: {who}" for duty, who in card["sources"].items())
    dollars = "no prices" if cost["dollars"] is None else f"${cost['dollars']:.4f}"
    tokens = (str(cost[name]) if cost[name] is not None else "uncounted" for name in ("input_tokens", "output_tokens"))
    yield "cost", f"{cost['calls']} calls, {' input and '.join(tokens)} output tokens, {dollars}"
    yield (
        "coverage",
        f"{coverage['answered']} of {coverage['questions']} questions, "
        f"{coverage['complete_states']} of {coverage['states']} states",
    )
    yield "canaries", f"{card['canaries']['asked']} asked, {card['canaries']['given_marks']} given marks"
    if "against_the_rule" in card:
        samples, against = card["samples"], card["against_the_rule"]
        if samples["agreement"] is not None:
            yield "samples", f"{samples['each']} of each question, agreeing on {samples['agreement']:.1%}"
        yield "against the rule", _compared(against)
        for name, one in against["per_level"].items():
            yield f"  {name}", _compared(one)


def _compared(one: Mapping[str, Any]) -> str:
    kappa = one.get("kappa_is_undefined") or f"kappa {figure(one['kappa'])}"
    return f"agreement {figure(one['agreement'])}, {kappa}, {one['cells']} pairs"


def _pairs(title: str, rows: Any) -> Table:
    made = Table.grid(padding=(0, 2))
    made.title, made.title_justify, made.title_style = title, "left", "bold"
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, value)
    return made
