"""Writing recorded verdicts as a file that ships: the table, and the judge card in its head."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wmil_envs.llm.errors import NotRecorded
from wmil_envs.llm.prompt_template import template_hash
from wmil_envs.llm.question import TEMPLATE_VERSION
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.parents.llm import LLMParent
from wmil_envs.parents.recording_file import RecordedState, write_recording
from wmil_envs.recordings.agreement import Agreement
from wmil_envs.recordings.audit import audit_of
from wmil_envs.recordings.plan import Plan, Recorded
from wmil_envs.task import Task


def freeze(task: Task, settings: LLMSettings, path: str | Path, *, partial: bool = False) -> dict[str, Any]:
    """Write what the store knows of a task to a file for `{"kind": "recorded", "path": ...}`; nothing is asked.

    The recorded parent gives the same verdicts, on the same states, as the model's own does from the store.

    Args:
        task: what was asked.
        settings: who was asked.
        path: of the file.
        partial: write the states that are complete, although others are not. An environment made from such a file says
            which state it lacks.

    Returns:
        The judge card, which is in the file's head, too.

    Raises:
        NotRecorded: answers are missing, and `partial` is false; or not one state is complete.
        StoreError: the store cannot be read.
    """
    recorded = Recorded(Plan(task, settings))
    states = recorded.complete if recorded.asked else _all_states(recorded)
    is_set = all(question.key in recorded.records for question in recorded.plan.setting)
    if (recorded.missing and not partial) or not states or not is_set:
        left = recorded.missing[0].canonical if recorded.missing else "none"
        raise NotRecorded(
            f"{settings.store} lacks {len(recorded.missing)} of {len(recorded.questions)} answers: fill it first, or "
            f"freeze what is complete with partial=True; the first such question: {left}"
        )
    card = judge_card(recorded)
    write_recording(Path(path), task, _table(recorded, states), card)
    return card


def judge_card(recorded: Recorded) -> dict[str, Any]:
    """Who judged, when, at what cost, how completely and how well: plain data, without a secret or a path."""
    settings, questions, records = recorded.plan.settings, recorded.plan.questions, list(recorded.records.values())
    dates = sorted(record.asked_at for record in records)
    card: dict[str, Any] = {
        "asked_of": {
            "provider": settings.provider,
            "model": settings.model,
            "server": "the provider's own" if settings.base_url is None else "another one",
            "temperature": settings.temperature,
        },
        "answered_by": dict(sorted(Counter(record.model for record in records).items())),
        "first_asked": dates[0] if dates else None,
        "last_asked": dates[-1] if dates else None,
        "template": {"version": TEMPLATE_VERSION, "sha256": template_hash()},
        "sources": {
            duty: "model" if is_asked else "rule"
            for duty, is_asked in (
                ("instances", questions.asks_instances),
                ("transition", questions.asks_transitions),
                ("judge", questions.asks_judgements),
            )
        },
        "cost": {
            "calls": sum(record.attempts for record in records),
            "input_tokens": _sum(record.input_tokens for record in records),
            "output_tokens": _sum(record.output_tokens for record in records),
            "dollars": _sum(record.dollars for record in records),
        },
        "coverage": {
            "questions": len(recorded.questions),
            "answered": len(recorded.questions) - len(recorded.missing),
            "states": len({one.state for one in recorded.asked}),
            "complete_states": len(recorded.complete),
        },
        "canaries": dict(zip(("asked", "given_marks"), recorded.plan.store.canaries(), strict=True)),
    }
    if "judge" in settings.duties:
        checked = audit_of(recorded)
        card["samples"] = {"each": settings.samples, "agreement": _rounded(checked.samples)}
        card["against_the_rule"] = _compared(checked.overall) | {
            "per_level": {name: _compared(one) for name, one in checked.per_level.items()}
        }
    return card


def _table(recorded: Recorded, states: list[tuple[int, ...]]) -> list[RecordedState]:
    """Everything that the parent of the store says about these states."""
    plan = recorded.plan
    task, n_actions = plan.task, plan.task.n_actions
    parent = LLMParent(task, replace(plan.settings, mode="replay", on_error="raise"))
    rows = np.repeat(np.array(states, dtype=np.int32), n_actions, axis=0)
    actions = np.tile(np.arange(n_actions), len(states))
    verdicts = parent.verdicts(rows, actions)
    following = verdicts.following
    scores = verdicts.scores.reshape(-1, n_actions).tolist()
    consistency = None if verdicts.consistency is None else verdicts.consistency.reshape(-1, n_actions).tolist()
    after = None if following is None else following.reshape(len(states), n_actions, -1).tolist()
    members = [set(map(tuple, level.tolist())) for level in recorded.levels]
    return [
        RecordedState(
            state=list(state),
            levels=[level for level, there in enumerate(members) if state in there]
            if plan.questions.asks_instances
            else None,
            scores=scores[number],
            consistency=None if consistency is None else consistency[number],
            next=None if after is None else after[number],
        )
        for number, state in enumerate(states)
    ]


def _all_states(recorded: Recorded) -> list[tuple[int, ...]]:
    """Every state, where the model is asked about none."""
    return sorted({tuple(state) for level in recorded.levels for state in level.tolist()})


def _compared(one: Agreement) -> dict[str, Any]:
    undefined = {} if one.kappa is not None else {"kappa_is_undefined": one.why_no_kappa}
    return {"cells": one.n, "agreement": _rounded(one.share), "kappa": _rounded(one.kappa), **undefined}


def _sum(counts: Any) -> Any:
    """None where not every record has a count."""
    counts = list(counts)
    return None if None in counts else _rounded(sum(counts))


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 6)
