"""A real model keeps the contract of a parent. How well it judges is printed, and held against nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wmil_envs.llm.budget import Budget
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.llm.store import Store
from wmil_envs.parent import LIVE
from wmil_envs.parents.llm import LLMParent
from wmil_envs.recordings.audit import audit
from wmil_envs.recordings.estimate import estimate
from wmil_envs.recordings.fill import fill
from wmil_envs.recordings.freeze import freeze
from wmil_envs.tasks.pattern_echo import PatternEcho

TASK = PatternEcho(n_symbols=4, alphabet=1)


def test_a_whole_table_is_judged_once_and_audited(live_settings: LLMSettings, tmp_path: Path, show: Any) -> None:
    settings = replace(live_settings, duties=("judge",))
    expected = estimate(TASK, settings)
    filled = fill(TASK, settings)
    assert filled.is_complete, [str(failure) for _, failure in filled.failed]
    assert (filled.live, filled.cached) == (4, 0)
    assert fill(TASK, settings).live == 0
    store = Store(settings.store)
    assert store.canaries()[0] == 5
    card = freeze(TASK, settings, tmp_path / "scores.json")
    checked = audit(TASK, settings)
    assert checked.judged == 4
    spent = Budget(settings.budget, store).spent()
    show(f"expected: {expected}\nspent: {spent}\njudge card: {json.dumps(card, indent=1)}")
    for one in checked.disagreements:
        show(f"{one.question} For {one.means} the model gives {one.goal:g}, the rule {one.rule:g}.")


def test_the_states_of_a_level_are_set(live_settings: LLMSettings) -> None:
    settings = replace(live_settings, duties=("instances",), instances_per_level=2, canary_every=0)
    chosen = LLMParent(TASK, settings).instances(1)
    assert 1 <= len(chosen) <= 4
    assert {tuple(state) for state in chosen.tolist()} <= {tuple(state) for state in TASK.instances(1).tolist()}


def test_it_says_what_follows(live_settings: LLMSettings, show: Any) -> None:
    task = replace(TASK, horizon=2, dynamics="same")
    parent = LLMParent(task, replace(live_settings, duties=("transition",), canary_every=0))
    states, actions = np.repeat(task.instances(1)[:1], 4, axis=0), np.arange(4)
    verdicts = parent.verdicts(states, actions)
    assert (verdicts.sources == LIVE).all()
    assert verdicts.following is not None
    show(f"states that stay as they should: {(verdicts.following == states).all(axis=1).mean():.0%}")
