from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wmil_envs.fake_llm.rule_answers import chance
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.recordings.agreement import agreement
from wmil_envs.recordings.audit import audit, audit_recording
from wmil_envs.recordings.fill import Filled
from wmil_envs.recordings.freeze import freeze
from wmil_envs.tasks.conditional import Conditional
from wmil_envs.tasks.pattern_echo import PatternEcho


def test_a_model_that_follows_the_rule_agrees_with_it(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled]
) -> None:
    fill_by_rule(PatternEcho(alphabet=1), settings)
    audited = audit(PatternEcho(alphabet=1), settings)
    assert (audited.states, audited.judged, audited.overall.n) == (8, 8, 64)
    assert (audited.overall.share, audited.overall.kappa) == (1.0, 1.0)
    assert audited.overall.both_right == 8
    assert audited.disagreements == ()
    assert audited.samples is None
    assert {name: one.n for name, one in audited.per_level.items()} == {"half of the symbols": 32, "all symbols": 64}


def test_disagreements_are_told_in_words(settings: LLMSettings, fill_by_rule: Callable[..., Filled]) -> None:
    task, rate = Conditional(), 0.1
    fill_by_rule(task, replace(settings, ask_by="action"), wrong_rate=rate)
    audited = audit(task, replace(settings, ask_by="action"))
    plain = {"name": "Conditional", "arguments": {"alphabet": None}}
    states = np.unique(np.concatenate([task.instances(level) for level in range(3)]), axis=0)
    wrong = [
        (tuple(state.tolist()), action)
        for state in states
        for action in range(16)
        if chance(0, "judge", plain, state.tolist(), action) < rate
    ]
    assert [(one.state, one.action) for one in audited.disagreements] == wrong
    assert len(wrong) > 10
    first = audited.disagreements[0]
    assert first.question == task.describe(np.array(first.state, dtype=np.int32))
    assert first.means == task.describe_action(first.action)
    assert first.goal == 1.0 - first.rule
    assert audited.overall.n - audited.overall.both_right - audited.overall.both_wrong == len(wrong)
    rule = np.array([task.correct_actions(state[None])[0] == action for state in states for action in range(16)])
    flipped = np.array([(tuple(state.tolist()), action) in set(wrong) for state in states for action in range(16)])
    assert audited.overall == agreement(rule ^ flipped, rule)


def test_only_states_that_were_judged_in_full_are_compared(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled]
) -> None:
    settings = replace(settings, duties=("judge",), breaker=1_000)
    filled = fill_by_rule(Conditional(), settings, refused_rate=0.3)
    audited = audit(Conditional(), settings)
    assert audited.judged == audited.states - len(filled.failed) < audited.states
    assert audited.overall.n == audited.judged * 16


def test_nothing_judged_is_said(settings: LLMSettings) -> None:
    audited = audit(PatternEcho(), settings)
    assert (audited.judged, audited.overall.share, audited.overall.kappa, audited.samples) == (0, None, None, None)
    assert audited.overall.why_no_kappa == "nothing was judged"


def test_samples_that_differ_are_seen(settings: LLMSettings, fill_by_rule: Callable[..., Filled]) -> None:
    settings = replace(settings, samples=2, duties=("judge",))
    fill_by_rule(PatternEcho(), settings)
    assert audit(PatternEcho(), settings).samples == 1.0


def test_a_rule_that_judges_is_not_audited(settings: LLMSettings) -> None:
    with pytest.raises(ValueError, match="the rule judges, not the model"):
        audit(PatternEcho(), replace(settings, duties=("instances",)))


@pytest.mark.parametrize("duties", [("judge",), ("instances", "judge")])
def test_a_frozen_file_is_audited_like_the_store_that_it_comes_from(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled], duties: tuple[str, ...], tmp_path: Path
) -> None:
    settings = replace(settings, duties=duties, instances_per_level=6, samples=2)
    fill_by_rule(Conditional(), settings, wrong_rate=0.1)
    freeze(Conditional(), settings, tmp_path / "frozen.json")
    of_store, of_file = audit(Conditional(), settings), audit_recording(Conditional(), tmp_path / "frozen.json")
    assert of_file == replace(of_store, samples=None)
    assert len(of_store.disagreements) > 10


def test_a_frozen_file_of_some_states_says_how_many_there_are(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled], tmp_path: Path
) -> None:
    settings = replace(settings, duties=("judge",), breaker=1_000)
    fill_by_rule(Conditional(), settings, refused_rate=0.3)
    freeze(Conditional(), settings, tmp_path / "frozen.json", partial=True)
    of_store, of_file = audit(Conditional(), settings), audit_recording(Conditional(), tmp_path / "frozen.json")
    assert (of_file.states, of_file.judged) == (of_store.states, of_store.judged)
    assert of_file.judged < of_file.states
