"""`wmil compare`: arms over the same seeds, with tables, files and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from wmil_agents.cli.console import console, table
from wmil_agents.cli.stop_signals import StopSignals
from wmil_agents.evaluation.quantity import figure_text
from wmil_agents.plots.comparison_curve import draw_comparison
from wmil_agents.plots.style import matplotlib_is_installed
from wmil_agents.runs.arm import parse_arms
from wmil_agents.runs.comparison import Comparison, RunEnd, carry_out
from wmil_agents.runs.comparison_files import (
    arm_headings,
    arm_rows,
    difference_rows,
    notes,
    scale_text,
    write_comparison,
)
from wmil_agents.runs.comparison_plan import Plan, default_comparison_folder, plan_comparison
from wmil_agents.runs.run_stopped import ComparisonStopped
from wmil_envs.seeding import spawn_seeds

_N_LINES = 10
"""Lines about runs that ended, besides those about failures."""


def asked_plan(
    texts: Sequence[str], overrides: Sequence[str], n_seeds: int, out: Path | None, *, per_step: bool
) -> Plan:
    """The comparison that the words on the command line ask for.

    Raises:
        InputError: something that was given cannot be used.
    """
    arms = parse_arms(texts, overrides)
    folder = default_comparison_folder(arms) if out is None else out
    return plan_comparison(arms, spawn_seeds(0, n_seeds), folder, per_step=per_step)


def tell_plan(plan: Plan) -> bool:
    """Print what would run and where to; it always can."""
    screen = console()
    yardstick = plan.yardstick
    _say(screen, f"{_counted(plan)}, to {plan.folder}")
    bounds = (("floor", yardstick.floor), ("ceiling", yardstick.ceiling), ("threshold", yardstick.threshold))
    known = [f"{name} {figure_text(bound)}" for name, bound in bounds if bound is not None]
    _say(screen, ", ".join([f"score: {yardstick.score}", *known]))
    for note in yardstick.notes:
        _say(screen, note)
    for arm in plan.arms:
        _say(screen, f"\n{arm.label}: {arm.settings.learner.algorithm}, {arm.settings.total_steps:,} steps")
        for run in plan.of(arm):
            _say(screen, f"  seed {run.seed:>9}  {'done already' if run.is_done else 'to run'}  {run.folder}")
    return True


def compare_and_tell(plan: Plan, n_processes: int | None, command: Sequence[str]) -> bool:
    """Run, write the files, print the tables, and say whether every run ended."""
    screen = console()
    _say(screen, _counted(plan))
    progress = _Lines(screen)
    with StopSignals() as signals:
        try:
            comparison = carry_out(
                plan, n_processes=n_processes, on_run_end=progress, command=command, stop=signals.asked
            )
        except ComparisonStopped as stopped:
            n_done = sum(run.is_done for run in plan.runs) + progress.n_done
            signals.end(
                f"interrupted by {stopped.reason}; {n_done} of {len(plan.runs)} runs are done and kept in "
                f"{plan.folder}, the same command continues"
            )
    write_comparison(comparison, command)
    _show(screen, comparison)
    if matplotlib_is_installed():
        draw_comparison(comparison)
    else:
        screen.print("No learning curves were drawn: pip install 'wmil-agents\\[report]'")
    _say(screen, f"Everything is in {plan.folder}")
    return not comparison.failures


class _Lines:
    """Prints a line when a run has ended, not more than some for all."""

    def __init__(self, screen: Console) -> None:
        self._screen, self._next, self.n_done = screen, 0.0, 0

    def __call__(self, end: RunEnd) -> None:
        """Tell about a run."""
        self.n_done += end.failure is None
        what = f"{end.n_ended} of {end.n_runs} runs ended; {end.run.arm.name}, seed {end.run.seed}"
        if end.failure is not None:
            _say(self._screen, f"{what}, FAILED: {end.failure}")
        elif end.n_ended >= self._next or end.n_ended == end.n_runs:
            self._next = end.n_ended + end.n_runs / _N_LINES
            _say(self._screen, what)


def _counted(plan: Plan) -> str:
    """How many runs there are, and how many are there already."""
    n_done = sum(run.is_done for run in plan.runs)
    counted = f"{len(plan.arms)} arms x {len(plan.seeds)} seeds = {len(plan.runs)} runs"
    return f"{counted}, {n_done} of them done already and used as they are" if n_done else counted


def _show(screen: Console, comparison: Comparison) -> None:
    arms = table("Arms", "arm", *arm_headings(comparison))
    for label, *figures in arm_rows(comparison):
        arms.add_row(escape(label), *map(escape, figures))
    screen.print(arms)
    _say(screen, scale_text(comparison))
    if comparison.differences:
        _say(screen, "")
        first = comparison.plan.arms[0].name
        differences = table(f"Against {escape(first)}", "arm\n  in", "difference")
        label_before = ""
        for label, quantity, words in difference_rows(comparison):
            if label != label_before:
                differences.add_row(escape(label), "")
                label_before = label
            differences.add_row(f"  {quantity}", escape(words))
        screen.print(differences)
    for note in notes(comparison):
        screen.print(note, markup=False)


def _say(screen: Console, text: str) -> None:
    screen.print(text, markup=False, soft_wrap=True)
