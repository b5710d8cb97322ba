"""`wmil surgery`: surgeons repair the same damaged policies, with tables, files and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from wmil_agents.cli.console import console, table
from wmil_agents.cli.stop_signals import StopSignals
from wmil_agents.plots.repair_curve import draw_repair
from wmil_agents.plots.style import matplotlib_is_installed
from wmil_agents.runs.run_stopped import ComparisonStopped
from wmil_agents.studies.repair.arms import DEFAULT_ARMS
from wmil_agents.studies.repair.files import (
    arm_rows,
    break_even_sentences,
    difference_rows,
    notes,
    points,
    write_summary,
)
from wmil_agents.studies.repair.plan import Plan, plan_repairs
from wmil_agents.studies.repair.result import RepairResult
from wmil_agents.studies.repair.settings import RepairSettings
from wmil_agents.studies.repair.study import carry_out


def asked_plan(names: Sequence[str], n_seeds: int, out: Path | None, **settings: Any) -> Plan:
    """The study that the words on the command line ask for.

    Raises:
        InputError: something that was given cannot be used.
    """
    words = [word for name in names for word in name.replace(",", " ").split()]
    return plan_repairs(words or DEFAULT_ARMS, n_seeds, RepairSettings(**settings), out)


def tell_plan(plan: Plan) -> bool:
    """Print what would be done and where; it always can."""
    screen, settings = console(), plan.settings
    _say(screen, f"{_counted(plan)}, to {plan.folder}")
    _say(screen, f"{settings.n_damages} test damages: {settings.fault}; {settings.n_edits} edits an operation")
    for arm in plan.arms:
        n_done = sum(plan.done(arm, seed) is not None for seed in plan.seeds)
        training = f"; {settings.n_train_edits:,} edits of training" if arm.learns else ""
        _say(screen, f"  {arm.name:<14} {n_done} of {plan.n_seeds} done  {arm.words}{training}")
    return True


def repair_and_tell(plan: Plan, n_processes: int | None, command: Sequence[str]) -> bool:
    """Let them operate, write the files, print the tables, and say whether every seed ended."""
    screen = console()
    _say(screen, _counted(plan))

    def told(seed: int, failure: str | None) -> None:
        _say(screen, f"seed {seed} is done" if failure is None else f"seed {seed} FAILED: {failure}")

    with StopSignals() as signals:
        try:
            result = carry_out(plan, n_processes=n_processes, on_seed_end=told, stop=signals.asked)
        except ComparisonStopped as stopped:
            signals.end(
                f"interrupted by {stopped.reason}; arms and seeds that are done ({_n_done(plan)} of {_n_all(plan)}) "
                f"are kept in {plan.folder}, the same command continues"
            )
    if not result.arms:
        _say(screen, "Nothing can be told, since every seed failed")
        return False
    write_summary(result, plan.folder, command)
    _show(screen, result)
    if matplotlib_is_installed():
        draw_repair(points(result), plan.folder)
    else:
        screen.print("No picture was drawn: pip install 'wmil-agents\\[report]'")
    _say(screen, f"Everything is in {plan.folder}")
    return not result.failures


def _show(screen: Console, result: RepairResult) -> None:
    shares = table("Share of the lost held-out score regained", "arm", "mean", "of all lost", "kept", "if kept")
    costs = table("What it costs", "arm", "evaluations", "CPU ms", "training evaluations", "CPU s")
    for name, mean, of_all, kept, if_kept, evaluations, milliseconds, training, seconds in arm_rows(result):
        shares.add_row(escape(name), *map(escape, (mean, of_all, kept, if_kept)))
        costs.add_row(escape(name), evaluations, milliseconds, training or "-", seconds or "-")
    screen.print(shares)
    screen.print(costs)
    if len(result.arms) > 1:
        first = result.arms[0].arm.name
        differences = table(f"{escape(first)} minus", "arm", "mean", "of all lost", "paid after")
        for row in difference_rows(result):
            differences.add_row(*(escape(cell.replace("**", "")) for cell in row))
        screen.print(differences)
    for sentence in (*break_even_sentences(result), *notes(result)):
        screen.print(sentence, markup=False)


def _counted(plan: Plan) -> str:
    """How many there are, and how many are there already."""
    counted = f"{len(plan.arms)} arms x {plan.n_seeds} {'seed' if plan.n_seeds == 1 else 'seeds'} = {_n_all(plan)}"
    n_done = _n_done(plan)
    return f"{counted}, {n_done} of them done already and used as they are" if n_done else counted


def _n_done(plan: Plan) -> int:
    return sum(plan.done(arm, seed) is not None for arm in plan.arms for seed in plan.seeds)


def _n_all(plan: Plan) -> int:
    return len(plan.names) * plan.n_seeds


def _say(screen: Console, text: str) -> None:
    screen.print(text, markup=False, soft_wrap=True)
