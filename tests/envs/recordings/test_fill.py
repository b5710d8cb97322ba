from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from wmil_envs.llm.budget import Budget
from wmil_envs.llm.errors import BudgetExceeded, Refused
from wmil_envs.llm.settings import BudgetSettings, LLMSettings
from wmil_envs.llm.store import Store
from wmil_envs.recordings.estimate import estimate
from wmil_envs.recordings.fill import Filled, fill
from wmil_envs.tasks.conditional import Conditional
from wmil_envs.tasks.pattern_echo import PatternEcho
from wmil_envs.tasks.sequence_next import SequenceNext


def n_calls(settings: LLMSettings) -> int:
    return Budget(settings.budget, Store(settings.store)).spent().calls


MOVING = PatternEcho(horizon=3, dynamics="permute")


@pytest.mark.parametrize(
    ("task", "changes", "n_questions"),
    [
        (PatternEcho(), {}, 2 + 8),
        (PatternEcho(), {"duties": ("judge",)}, 8),
        (PatternEcho(), {"duties": ("judge",), "ask_by": "action"}, 64),
        (PatternEcho(), {"duties": ("judge",), "samples": 3}, 24),
        (PatternEcho(), {"instances_per_level": 3}, 2 + 3),
        (MOVING, {}, 2 + 8 + 8),
        (MOVING, {"duties": ("transition",), "ask_by": "action"}, 64),
        (Conditional(), {"duties": ("judge",)}, 2 + 8 + 16),
    ],
)
def test_the_estimate_is_what_filling_takes(
    settings: LLMSettings, fill_by_rule: Callable[..., Filled], task: object, changes: dict, n_questions: int
) -> None:
    settings = replace(settings, **changes)
    before = estimate(task, settings)
    filled = fill_by_rule(task, settings)
    assert (filled.questions, filled.live, filled.cached) == (n_questions, n_questions, 0)
    assert filled.is_complete
    assert n_calls(settings) == n_questions
    if not before.is_bound or "instances_per_level" not in changes:
        assert (before.questions, before.answered, before.calls) == (n_questions, 0, n_questions)
    after = estimate(task, settings)
    assert (after.questions, after.answered, after.calls, after.input_tokens) == (n_questions, n_questions, 0, 0)


def test_the_estimate_counts_canaries_tokens_and_dollars_and_asks_nothing(settings: LLMSettings) -> None:
    settings = replace(settings, canary_every=3, duties=("judge",))
    estimated = estimate(PatternEcho(), settings)
    assert (estimated.canaries, estimated.calls) == (5 + 2, 8 + 7)
    per_call = estimated.input_tokens / estimated.calls
    assert 200 < per_call < 1_000
    assert estimated.dollars == pytest.approx((estimated.input_tokens + 5 * estimated.output_tokens) / 1e6)
    assert "15 calls (7 of them canaries)" in str(estimated)
    assert estimate(PatternEcho(), replace(settings, budget=BudgetSettings())).dollars is None
    assert not Store(settings.store).database.path.exists()


def test_the_canaries_that_are_estimated_are_asked(settings: LLMSettings, fill_by_rule: Callable[..., Filled]) -> None:
    settings = replace(settings, canary_every=3, duties=("judge",), budget=replace(settings.budget, concurrency=1))
    estimated = estimate(PatternEcho(), settings)
    fill_by_rule(PatternEcho(), settings)
    assert n_calls(settings) == estimated.calls


def test_filling_again_asks_nothing_but_what_failed(settings: LLMSettings, fill_by_rule: Callable[..., Filled]) -> None:
    settings = replace(settings, duties=("judge",), breaker=100)
    task = SequenceNext()
    first = fill_by_rule(task, settings, refused_rate=0.2)
    assert 0 < len(first.failed) < first.questions
    assert all(isinstance(reason, Refused) for _, reason in first.failed)
    assert estimate(task, settings).calls == len(first.failed)
    before = n_calls(settings)
    second = fill_by_rule(task, settings)
    assert (second.live, second.cached) == (len(first.failed), first.questions - len(first.failed))
    assert second.is_complete
    assert n_calls(settings) - before == len(first.failed)


def test_filling_goes_on_where_the_budget_ended(settings: LLMSettings, fill_by_rule: Callable[..., Filled]) -> None:
    settings = replace(settings, duties=("judge",))
    with pytest.raises(BudgetExceeded, match="5 calls are allowed"):
        fill_by_rule(PatternEcho(), replace(settings, budget=BudgetSettings(calls=5, concurrency=1)))
    assert estimate(PatternEcho(), settings).answered == 5
    filled = fill_by_rule(PatternEcho(), replace(settings, budget=BudgetSettings(calls=8)))
    assert (filled.live, filled.cached) == (3, 5)
    assert n_calls(settings) == 8


def test_progress_is_told_after_each_question(settings: LLMSettings, fill_by_rule: Callable[..., Filled]) -> None:
    told: list[tuple[int, int]] = []
    fill_by_rule(PatternEcho(), settings, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 10) for done in range(2, 11)], "the states of the two levels come first"
    told.clear()
    fill(PatternEcho(), settings, progress=lambda done, total: told.append((done, total)))
    assert told == [(10, 10)]


def test_everything_is_asked_again_on_refresh(settings: LLMSettings, fill_by_rule: Callable[..., Filled]) -> None:
    fill_by_rule(PatternEcho(), settings)
    settings = replace(settings, mode="refresh")
    assert estimate(PatternEcho(), settings).calls == 10
    assert fill_by_rule(PatternEcho(), settings).live == 10


@pytest.mark.parametrize("mode", ["replay", "live"])
def test_a_mode_that_keeps_nothing_cannot_fill(settings: LLMSettings, mode: str) -> None:
    with pytest.raises(ValueError, match=f"the mode '{mode}' does not: take 'record'"):
        fill(PatternEcho(), replace(settings, mode=mode))


def test_levels_that_nobody_sets_end_the_filling(settings: LLMSettings, fill_by_rule: Callable[..., Filled]) -> None:
    with pytest.raises(Refused):
        fill_by_rule(PatternEcho(), settings, refused_rate=1.0)
