"""How the runs were made: what differs between the arms, every setting, versions and commands."""

from __future__ import annotations

from collections.abc import Sequence

from wmil_agents.reports.blocks import note, numbers, section, table
from wmil_agents.reports.markup import Child, Markup
from wmil_agents.runs.recorded_arm import RecordedArm, differing_settings, flat_settings
from wmil_agents.runs.recorded_run import RecordedRun

_MOST_RUNS = 200
_FACTS = ("wmil-agents", "torch", "stable-baselines3", "python", "platform")


def settings(arms: Sequence[RecordedArm]) -> Markup:
    """The section."""
    content: list[Child] = []
    if len(arms) > 1:
        differing = differing_settings(arms)
        rows = [(name, *values) for name, values in differing.items()]
        content.append(_words(["differs", *(arm.name for arm in arms)], rows))
    flat = [flat_settings(arm.runs[0]) for arm in arms]
    names = list(dict.fromkeys(name for one in flat for name in one))
    every = [(name, *(one.get(name, "-") for one in flat)) for name in names]
    content.append(numbers("Every setting", _words(["setting", *(arm.name for arm in arms)], every)))
    content.append(numbers("Every run", _runs(arms)))
    facts = {_made_with(run) for arm in arms for run in arm.runs}
    if len(facts) > 1:
        content.append(note("The runs were made with different versions or at different commits."))
    return section("settings", "Settings", *content)


def _runs(arms: Sequence[RecordedArm]) -> Markup:
    runs = [(arm, run) for arm in arms for run in arm.runs][:_MOST_RUNS]
    headings = ["arm", "folder", "seed", "steps", "command", "commit", *_FACTS]
    rows = [
        [
            arm.name,
            run.folder.name,
            str(run.settings.seed),
            f"{run.last_step:,} of {run.settings.total_steps:,}",
            _fact(run, "command"),
            *_made_with(run),
        ]
        for arm, run in runs
    ]
    return _words(headings, rows)


def _words(headings: Sequence[str], rows: Sequence[Sequence[Child]]) -> Markup:
    """A table without columns of figures."""
    return table(headings, rows, figures_from=len(headings))


def _made_with(run: RecordedRun) -> tuple[str, ...]:
    git = (run.versions or {}).get("git")
    commit = "-"
    if isinstance(git, dict):
        commit = f"{str(git.get('commit'))[:12]}{' and changes' if git.get('dirty') else ''}"
    return commit, *(_fact(run, name) for name in _FACTS)


def _fact(run: RecordedRun, name: str) -> str:
    fact = (run.versions or {}).get(name)
    return "-" if fact is None else str(fact)[:300]
