"""The report of some runs: one HTML file that loads nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from wmil_agents.plots.panels import score_column
from wmil_agents.plots.style import ARMS, ARMS_ON_DARK
from wmil_agents.reports.blocks import Missing, chip, missing
from wmil_agents.reports.markup import Child, Markup, element, joined
from wmil_agents.reports.sections.inside import inside
from wmil_agents.reports.sections.learning import learning
from wmil_agents.reports.sections.levels import levels
from wmil_agents.reports.sections.outcome import outcome
from wmil_agents.reports.sections.parent import parent
from wmil_agents.reports.sections.rewards import rewards
from wmil_agents.reports.sections.settings import settings
from wmil_agents.reports.sections.verdict import verdict
from wmil_agents.reports.sections.world_model import world_model
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.recorded_arm import RecordedArm, group_runs
from wmil_agents.runs.recorded_run import find_runs, read_run

REPORT = "report.html"
_LONGEST_TITLE = 120


def write_report(folders: Sequence[Path], out: Path) -> list[RecordedArm]:
    """Write the report of some runs, or of the runs inside some folders; the same runs give the same bytes.

    The runs' files are read and nothing else is: no environment is made, no parent is asked.

    Returns:
        The arms that are in it.

    Raises:
        InputError: a folder is none of a run, or the report cannot be written.
    """
    arms = group_runs([read_run(folder) for folder in find_runs(folders)])
    try:
        out.write_text(report(arms), encoding="utf-8")
    except OSError as error:
        raise InputError(f"the report {out} cannot be written: {error.strerror}") from None
    return arms


def report(arms: Sequence[RecordedArm]) -> Markup:
    """The page."""
    column = score_column(arms)
    found = [
        outcome(arms, column),
        verdict(arms),
        learning(arms, column),
        world_model(arms),
        rewards(arms),
        levels(arms),
        inside(arms),
        parent(arms),
    ]
    shown = [part for part in found if isinstance(part, Markup)]
    sections = [*shown, missing([part for part in found if isinstance(part, Missing)]), settings(arms)]
    title = ", ".join(dict.fromkeys(run.settings.name for arm in arms for run in arm.runs))
    title = title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1]}…"
    return _document(title, [_header(title, arms), element("main", sections), _footer()])


def _document(title: str, body: Child) -> Markup:
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{title} - WMIL report"),
        element("style", Markup(style)),
    )
    page = element("html", head, element("body", body), lang="en")
    return Markup(f"<!DOCTYPE html>\n{page}\n")


def _style() -> str:
    """The style sheet, with the colours that the plots have, too; its hash is in the content policy."""
    sheet = files("wmil_agents.reports").joinpath("report.css").read_text(encoding="utf-8")
    light, dark = ("".join(f"--c{i}:{colour};" for i, colour in enumerate(arms)) for arms in (ARMS, ARMS_ON_DARK))
    classes = "".join(f".c{i}{{--arm:var(--c{i})}}" for i in range(len(ARMS)))
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}{classes}\n{sheet}"


def _header(title: str, arms: Sequence[RecordedArm]) -> Markup:
    runs = [run for arm in arms for run in arm.runs]
    first = runs[0].settings
    ids = ", ".join(dict.fromkeys(run.settings.env.id for run in runs))
    algorithms = ", ".join(dict.fromkeys(run.settings.learner.algorithm for run in runs))
    counts = [_counted(len(arms), "arm"), _counted(len(runs), "run")] if len(runs) > 1 else [f"seed {first.seed}"]
    steps = " and ".join(f"{steps:,}" for steps in sorted({run.last_step for run in runs}))
    facts = [ids, algorithms, *counts, f"{steps} steps"]
    return element(
        "header",
        element("p", "WMIL report", class_="kind"),
        element("h1", element("bdi", title)),
        element("p", joined(element("span", fact) for fact in facts), class_="facts"),
        _badge(arms),
    )


def _badge(arms: Sequence[RecordedArm]) -> Markup | None:
    """The verdict of a single run, and the marks of all."""
    runs = [run for arm in arms for run in arm.runs]
    chips = [chip(mark, "mark") for mark in dict.fromkeys(run.mark for run in runs) if mark and len(arms) == 1]
    if len(runs) == 1:
        answer = None if runs[0].verdict is None else runs[0].verdict.get("reached")
        words = {True: ("✓ all criteria that can be judged passed", "passed"), False: ("✗ not reached", "failed")}
        text, kind = words[answer] if isinstance(answer, bool) else ("not ended", "open")
        chips.insert(0, chip(text, kind))
    return element("p", chips, class_="badges") if chips else None


def _footer() -> Markup:
    text = "Drawn from the runs' files by wmil report. This page loads nothing and runs nothing."
    return element("footer", element("p", text))


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
