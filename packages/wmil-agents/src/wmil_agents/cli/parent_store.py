"""`wmil parent export`, `import` and `spent`: a store of verdicts."""

from __future__ import annotations

from pathlib import Path

from wmil_agents.cli.console import console
from wmil_agents.cli.judge_card import spent_text
from wmil_agents.cli.parent_specification import refusals_told
from wmil_agents.runs.input_error import InputError
from wmil_envs.llm.budget import Budget
from wmil_envs.llm.settings import BudgetSettings
from wmil_envs.llm.store import Store
from wmil_envs.llm.transcript import export_transcript, import_transcript


def export_store(store: Path, out: Path) -> None:
    """Write every answer of a store as a line of JSON, and say how many.

    Raises:
        InputError: there is no such store, or the file cannot be written.
        StoreError: it cannot be read.
    """
    opened = _existing(store)
    with refusals_told(f"{out} cannot be written"):
        n_records = export_transcript(opened, out)
    _say(f"{n_records} answers are in {out}")


def import_store(store: Path, source: Path) -> None:
    """Add the answers of a file to a store, which is made if need be, and say what became of them.

    Raises:
        InputError: the file does not hold answered questions.
        StoreError: the store cannot be written.
    """
    with refusals_told(f"nothing was imported from {source}"):
        imported = import_transcript(Store(store), source)
    _say(f"{imported.added} answers are new in {store}, {imported.known} were known")
    if imported.conflicts:
        _say(
            f"{len(imported.conflicts)} others answer questions that the store has answered differently: its own "
            f"answers stand; the first such question: {imported.conflicts[0].question}"
        )


def tell_spent(store: Path) -> None:
    """Print what the calls of a store cost so far, and how its canaries did.

    Raises:
        InputError: there is no such store.
        StoreError: it cannot be read.
    """
    opened = _existing(store)
    n_canaries, n_fooled = opened.canaries()
    _say(spent_text(Budget(BudgetSettings(), opened).spent()))
    _say(f"{sum(1 for _ in opened.records())} answers; {n_canaries} canaries asked, {n_fooled} given marks")


def _existing(store: Path) -> Store:
    if not store.is_file():
        raise InputError(f"there is no store {store}")
    return Store(store)


def _say(text: str) -> None:
    console().print(text, markup=False, soft_wrap=True)
