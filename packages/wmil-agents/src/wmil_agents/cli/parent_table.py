"""`wmil parent fill`, `freeze` and `audit`: a whole table of a language model's verdicts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import typer
from rich.console import Console

from wmil_agents.cli.console import console
from wmil_agents.cli.exit_codes import INTERRUPTED
from wmil_agents.cli.fill_display import FillDisplay
from wmil_agents.cli.judge_card import audit_tables, card_table, estimate_table, spent_text
from wmil_agents.cli.parent_specification import refusals_told
from wmil_envs.llm.budget import Budget
from wmil_envs.llm.errors import NotRecorded, ParentError, StoreError
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.llm.store import Store
from wmil_envs.recordings.audit import audit, audit_recording
from wmil_envs.recordings.estimate import estimate
from wmil_envs.recordings.fill import Filled, fill
from wmil_envs.recordings.freeze import freeze
from wmil_envs.recordings.plan import Plan, Recorded
from wmil_envs.task import Task

_MOST_REASONS = 3


def tell_estimate(task: Task, settings: LLMSettings) -> None:
    """Print what filling the table of a task still takes; nobody is asked.

    Raises:
        StoreError: the store cannot be read.
    """
    screen = console()
    with refusals_told("the table cannot be planned"):
        expected = estimate(task, settings)
    screen.print(_heading(task, settings), markup=False, soft_wrap=True)
    screen.print(estimate_table(expected, settings, Budget(settings.budget, Store(settings.store)).spent()))


def fill_table(task: Task, settings: LLMSettings) -> bool:
    """Ask what the store lacks, and say whether every question has its answer.

    Raises:
        ParentError: nobody can be asked any more.
    """
    screen = console()
    try:
        with FillDisplay(screen, _heading(task, settings)) as display, refusals_told("the table cannot be filled"):
            filled = fill(task, settings, progress=display)
    except KeyboardInterrupt:
        typer.echo(f"wmil: interrupted; {_kept(task, settings)}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except ParentError as error:
        if not isinstance(error, StoreError):
            screen.print(_kept(task, settings), markup=False, soft_wrap=True)
        raise
    _tell_filled(screen, filled, settings)
    return filled.is_complete


def freeze_table(task: Task, settings: LLMSettings, out: Path, *, partial: bool) -> None:
    """Write the store's verdicts as a file, and print the judge card.

    Raises:
        NotRecorded: there are not enough of them.
        StoreError: the store cannot be read.
    """
    screen = console()
    with refusals_told(f"{out} cannot be written"):
        recorded = Recorded(Plan(task, settings))
        try:
            card = freeze(task, settings, out, partial=partial)
        except NotRecorded:
            what = "not one state is complete" if partial else "--partial freezes the states that are complete"
            raise NotRecorded(
                f"{settings.store} lacks {len(recorded.missing)} of the {len(recorded.questions)} answers: "
                f"`wmil parent fill` asks for them; {what}"
            ) from None
    screen.print(card_table(card))
    screen.print(
        f'The verdicts are in {out}; as a parent: {{"kind": "recorded", "path": "{out}"}}', markup=False, soft_wrap=True
    )


def audit_table(task: Task, judged_by: LLMSettings | Path, most: int) -> None:
    """Print how far verdicts agree with the rule, and where they do not.

    Args:
        task: whose rule it is.
        judged_by: who was asked, the store being read, or the file of frozen verdicts.
        most: disagreements to print.

    Raises:
        InputError: the file is none of this task, or the model does not judge.
        NotRecorded: nothing has been judged yet.
        StoreError: the store cannot be read.
    """
    screen = console()
    with refusals_told("there is nothing to audit"):
        checked = audit_recording(task, judged_by) if isinstance(judged_by, Path) else audit(task, judged_by)
    if not checked.judged:
        raise NotRecorded(f"not one of {checked.states} states has been judged yet: `wmil parent fill` asks")
    for part in audit_tables(checked, most):
        screen.print(part, markup=False, soft_wrap=isinstance(part, str))


def _heading(task: Task, settings: LLMSettings) -> str:
    server = "" if settings.base_url is None else f" at {settings.base_url}"
    return f"{task.name}: {settings.model} ({settings.provider}{server}), verdicts in {settings.store}"


def _kept(task: Task, settings: LLMSettings) -> str:
    recorded = Recorded(Plan(task, settings))
    n_questions = len(recorded.questions)
    n_answered = n_questions - len(recorded.missing)
    kept = f", and kept in {settings.store}: filling again asks the others" if n_answered else ""
    return f"{n_answered} of {n_questions} questions are answered{kept}"


def _tell_filled(screen: Console, filled: Filled, settings: LLMSettings) -> None:
    screen.print(
        f"{filled.questions} questions: {filled.live} asked now, {filled.cached} answered before, "
        f"{len(filled.failed)} without an answer",
        markup=False,
    )
    screen.print(spent_text(Budget(settings.budget, Store(settings.store)).spent()), markup=False, soft_wrap=True)
    reasons = Counter(str(failure) for _, failure in filled.failed)
    for reason, count in reasons.most_common(_MOST_REASONS):
        typer.echo(f"wmil: {count} x {' '.join(reason.split())}", err=True)
    if reasons:
        typer.echo("wmil: the same command asks these again, and nothing else", err=True)
