"""The asker alone, with a provider that does as it is told and a clock that moves when it is looked at."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from wmil_envs.fake_llm.rule_answers import full_marks, has_plea, rule_answer
from wmil_envs.llm.asker import Answered, Asker
from wmil_envs.llm.errors import (
    BudgetExceeded,
    CallFailed,
    CircuitOpen,
    MalformedReply,
    MissingKey,
    NotRecorded,
    ProviderFault,
    Refused,
)
from wmil_envs.llm.provider import Completion, Prompt
from wmil_envs.llm.question import Question
from wmil_envs.llm.questions import content_of
from wmil_envs.parents.rule import RuleParent
from wmil_envs.tasks.pattern_echo import PatternEcho

HERE = "http://127.0.0.1:9/v1"
BUSY = ProviderFault("busy", 503, None, is_transient=True)


class Clock:
    """Time passes in `sleep` alone."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Scripted:
    """Answers by the rule, or raises what comes next in its script."""

    def __init__(self, *script: Exception | None, gullible: bool = False) -> None:
        self.script = list(script)
        self.gullible = gullible
        self.asked: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.n_canaries = 0
        self.on_call: Callable[[], None] = lambda: None
        self.lock = threading.Lock()

    def prepare(self) -> None:
        pass

    def complete(self, prompt: Prompt, seconds: float) -> Completion:
        content = content_of(prompt.user)
        with self.lock:
            self.seconds.append(seconds)
            if has_plea(content):
                self.n_canaries += 1
            else:
                self.asked[json.dumps(content, sort_keys=True)] += 1
            fault = self.script.pop(0) if self.script else None
        self.on_call()
        if fault is not None:
            raise fault
        answer = full_marks(content) if self.gullible and has_plea(content) else rule_answer(content)
        return Completion(json.dumps(answer), "complete", "scripted", 100, 10)


def judgements(asker: Asker, n: int = 8) -> list[Question]:
    return [asker.questions.judge(state, range(8)) for state in asker.questions.task.instances(1)[:n]]


def goals(outcome: Any) -> list[float]:
    return [verdict["goal"] for verdict in outcome.answer["verdicts"]]


def test_answers_come_in_the_order_of_the_questions_and_equal_ones_are_asked_once(make_asker: Any) -> None:
    provider = Scripted()
    asker = make_asker(HERE, scripted=provider)
    questions = judgements(asker)
    outcomes = asker.answers([*reversed(questions), *questions])
    assert [goals(outcome).index(1.0) for outcome in outcomes] == [*reversed(range(8)), *range(8)]
    assert {outcome.source for outcome in outcomes} == {"live"}
    assert sorted(provider.asked.values()) == [1] * 8
    assert {outcome.source for outcome in asker.answers(questions)} == {"cache"}
    assert asker.counts == {"calls": 8, "answers": 8}
    spent = asker.budget.spent()
    assert (spent.calls, spent.input_tokens, spent.output_tokens) == (8, 800, 80)


def test_what_is_kept_says_what_it_took(make_asker: Any) -> None:
    clock = Clock()
    provider = Scripted(BUSY)
    prices = {"input_price": 1.0, "output_price": 2.0, "dollars": 1.0}
    asker = make_asker(HERE, scripted=provider, budget=prices, clock=clock, sleep=clock.sleep)
    asker.answers(judgements(asker, 1))
    [record] = asker.store.records()
    assert (record.model, record.input_tokens, record.output_tokens, record.attempts) == ("scripted", 100, 10, 2)
    assert record.dollars == pytest.approx((100 * 1.0 + 10 * 2.0) / 1e6)
    assert record.seconds == pytest.approx(clock.now, abs=1e-3)


def test_pauses_grow_and_have_jitter(make_asker: Any) -> None:
    clock = Clock()
    asker = make_asker(HERE, scripted=Scripted(*[BUSY] * 9), clock=clock, sleep=clock.sleep, attempts=10)
    [outcome] = asker.answers(judgements(asker, 1))
    assert isinstance(outcome, Answered)
    assert len(clock.pauses) == 9
    for number, pause in enumerate(clock.pauses):
        longest = min(0.25 * 2**number, 8.0)
        assert 0.5 * longest <= pause <= longest


def test_each_attempt_gets_what_is_left_of_the_deadline(make_asker: Any) -> None:
    clock = Clock()
    wait = ProviderFault("busy", 429, 4.0, is_transient=True)
    provider = Scripted(wait, wait)
    asker = make_asker(HERE, scripted=provider, clock=clock, sleep=clock.sleep, deadline=10.0)
    asker.answers(judgements(asker, 1))
    assert provider.seconds == [10.0, 6.0, 2.0]


def test_no_attempt_begins_after_the_deadline(make_asker: Any) -> None:
    clock = Clock()
    provider = Scripted(*[BUSY] * 50)
    asker = make_asker(HERE, scripted=provider, clock=clock, sleep=clock.sleep, deadline=3.0, attempts=50)
    [outcome] = asker.answers(judgements(asker, 1))
    assert isinstance(outcome, ProviderFault)
    assert "which the deadline of 3 s forbids" in str(outcome)
    assert clock.now < 3.0


def test_waiting_for_the_rates_is_no_part_of_the_deadline(make_asker: Any) -> None:
    clock = Clock()
    provider = Scripted()
    rates = {"requests_per_minute": 1, "concurrency": 1}
    asker = make_asker(HERE, scripted=provider, budget=rates, clock=clock, sleep=clock.sleep, deadline=5.0)
    asker.budget.clock = clock
    outcomes = asker.answers(judgements(asker, 3))
    assert all(isinstance(outcome, Answered) for outcome in outcomes)
    assert clock.pauses == [60.0, 60.0]
    assert provider.seconds == [5.0] * 3


@pytest.mark.parametrize("failure", [Refused("no"), ProviderFault("bad request", 400)])
def test_what_will_not_get_better_is_not_tried_again(make_asker: Any, failure: CallFailed) -> None:
    provider = Scripted(failure)
    asker = make_asker(HERE, scripted=provider)
    assert asker.answers(judgements(asker, 1)) == [failure]
    assert asker.budget.spent().calls == 1
    assert asker.store.claim(judgements(asker, 1), 1.0).ours, "its claim is free again"


def test_a_failed_question_is_asked_again_next_time(make_asker: Any) -> None:
    asker = make_asker(HERE, scripted=Scripted(Refused("no")))
    assert isinstance(asker.answers(judgements(asker, 1))[0], Refused)
    assert isinstance(asker.answers(judgements(asker, 1))[0], Answered)


def test_tokens_of_a_status_are_given_back_and_those_of_a_silence_are_not(make_asker: Any) -> None:
    asker = make_asker(
        HERE, scripted=Scripted(ProviderFault("no", 401), MalformedReply("what"), MalformedReply("what"))
    )
    asker.answers(judgements(asker, 1))
    assert asker.budget.spent().tokens == 0
    asker.answers(judgements(asker, 1))
    assert asker.budget.spent().output_tokens == 2 * asker.settings.max_tokens


def test_the_circuit_opens_after_so_many_failures_in_a_row(make_asker: Any) -> None:
    no = ProviderFault("no", 401)
    provider = Scripted(no, no, None, no, no, no)
    asker = make_asker(HERE, scripted=provider, breaker=3, budget={"concurrency": 1})
    outcomes = asker.answers(judgements(asker))
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [ProviderFault, ProviderFault, Answered, *[ProviderFault] * 3, CircuitOpen, CircuitOpen]
    assert "3 questions in a row" in str(outcomes[-1])
    assert asker.budget.spent().calls == 6
    again = asker.answers(judgements(asker))
    assert [type(outcome) for outcome in again].count(CircuitOpen) == 7, "what is known is still told"
    assert asker.budget.spent().calls == 6


def test_a_copy_has_a_closed_circuit(make_asker: Any) -> None:
    asker = make_asker(HERE, breaker=1, scripted=Scripted(Refused("no")))
    asker.answers(judgements(asker, 1))
    assert isinstance(asker.answers(judgements(asker, 1))[0], CircuitOpen)
    assert isinstance(copy.copy(asker).answers(judgements(asker, 1))[0], Answered)


def test_an_asker_travels_without_its_client(make_asker: Any) -> None:
    asker = make_asker(HERE)
    asker.provider.prepare()
    same = pickle.loads(pickle.dumps(asker))
    assert same.settings == asker.settings
    assert same.provider._client is None


def test_the_budget_stops_before_the_call_and_keeps_what_was_answered(make_asker: Any) -> None:
    provider = Scripted()
    asker = make_asker(HERE, scripted=provider, budget={"calls": 3, "concurrency": 2})
    with pytest.raises(BudgetExceeded, match="3 calls are allowed"):
        asker.answers(judgements(asker))
    assert sum(provider.asked.values()) == 3
    assert len(list(asker.store.records())) == 3
    claims = asker.store.claim(judgements(asker), 1.0)
    assert (len(claims.answered), len(claims.ours)) == (3, 5), "no claim is left behind"


def test_replay_never_asks_and_shows_the_question(make_asker: Any) -> None:
    asker = make_asker(HERE, scripted=Scripted())
    asker.answers(judgements(asker, 2))
    provider = Scripted()
    replaying = make_asker(HERE, scripted=provider, mode="replay")
    assert [outcome.source for outcome in replaying.answers(judgements(asker, 2))] == ["replay"] * 2
    with pytest.raises(NotRecorded, match='"row":\\[2\\]'):
        replaying.answers(judgements(asker, 3))
    assert not provider.asked


def test_live_neither_reads_nor_writes_the_answers(make_asker: Any) -> None:
    provider = Scripted()
    asker = make_asker(HERE, scripted=provider, mode="live")
    for _ in range(2):
        assert [outcome.source for outcome in asker.answers(judgements(asker, 3))] == ["live"] * 3
    assert sorted(provider.asked.values()) == [2] * 3
    assert list(asker.store.records()) == []
    assert asker.budget.spent().calls == 6


def test_refresh_asks_again_and_overwrites(make_asker: Any) -> None:
    first = make_asker(HERE, scripted=Scripted())
    [before] = first.answers(judgements(first, 1))
    refreshing = make_asker(HERE, scripted=Scripted(), mode="refresh")
    marks = {"verdicts": [{"action": action, "goal": 0.25} for action in range(8)]}
    reply = Completion(json.dumps(marks), "complete", "another", 1, 1)
    refreshing.provider.complete = lambda prompt, seconds: reply
    [after] = refreshing.answers(judgements(first, 1))
    assert (goals(before)[0], goals(after)[0]) == (1.0, 0.25)
    [record] = first.store.records()
    assert (record.model, record.answer) == ("another", marks)


def test_canaries_come_first_and_then_every_so_many_calls(make_asker: Any) -> None:
    provider = Scripted()
    asker = make_asker(HERE, scripted=provider, canary_every=3, budget={"concurrency": 1})
    n_canaries = len(asker.questions.canaries())
    asker.answers(judgements(asker, 1))
    assert (provider.n_canaries, asker.counts["calls"]) == (n_canaries, 1)
    asker.answers(judgements(asker, 8))
    assert (provider.n_canaries, asker.counts["calls"]) == (n_canaries + 2, 8)
    assert asker.counts["canaries"] == provider.n_canaries
    assert asker.budget.spent().calls == 8 + provider.n_canaries
    assert asker.store.canaries() == (provider.n_canaries, 0)
    assert len(list(asker.store.records())) == 8, "a canary's answer is no verdict"


def test_a_canary_with_marks_opens_the_circuit_before_any_question(make_asker: Any) -> None:
    provider = Scripted(gullible=True)
    asker = make_asker(HERE, scripted=provider, canary_every=100)
    outcomes = asker.answers(judgements(asker))
    assert {type(outcome) for outcome in outcomes} == {CircuitOpen}
    assert "gave marks to a wrong action" in str(outcomes[0])
    assert not provider.asked
    assert asker.store.canaries()[1] >= 1


def test_a_later_canary_with_marks_opens_the_circuit(make_asker: Any) -> None:
    provider = Scripted()
    asker = make_asker(HERE, scripted=provider, canary_every=2, budget={"concurrency": 1})
    assert isinstance(asker.answers(judgements(asker, 1))[0], Answered)
    provider.gullible = True
    kinds = [type(outcome) for outcome in asker.answers(judgements(asker))]
    assert kinds == [Answered] * 2 + [CircuitOpen] * 6


@pytest.mark.parametrize("reply", [Refused("I do not follow instructions in data"), MalformedReply("prose")])
def test_a_canary_that_is_declined_has_been_passed(make_asker: Any, reply: CallFailed) -> None:
    asker = make_asker(HERE, scripted=Scripted(*[reply] * 2), canary_every=100)
    assert isinstance(asker.answers(judgements(asker, 1))[0], Answered)


def test_a_canary_that_could_not_be_asked_fails_the_question(make_asker: Any) -> None:
    provider = Scripted(ProviderFault("no", 401))
    asker = make_asker(HERE, scripted=provider, canary_every=100)
    [outcome] = asker.answers(judgements(asker, 1))
    assert isinstance(outcome, ProviderFault)
    assert not provider.asked
    assert isinstance(asker.answers(judgements(asker, 1))[0], Answered)


def test_no_more_calls_are_in_flight_than_allowed(make_asker: Any) -> None:
    provider = Scripted()
    in_flight: list[int] = []
    now, lock, all_four = [0], threading.Lock(), threading.Barrier(4, timeout=10)

    def call() -> None:
        with lock:
            now[0] += 1
            in_flight.append(now[0])
        all_four.wait()  # needs four at once
        with lock:
            now[0] -= 1

    provider.on_call = call
    asker = make_asker(HERE, scripted=provider, budget={"concurrency": 4})
    asker.answers(judgements(asker))
    assert max(in_flight) == 4


def test_threads_ask_no_question_twice(make_asker: Any) -> None:
    provider = Scripted()
    askers: Sequence[Asker] = [make_asker(HERE, scripted=provider) for _ in range(3)]
    together = threading.Barrier(6, timeout=10)
    found: list[list[Any]] = []

    def ask(asker: Asker) -> None:
        together.wait()
        found.append(asker.answers(judgements(asker)))

    threads = [threading.Thread(target=ask, args=(asker,)) for asker in askers for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all([goals(outcome).index(1.0) for outcome in outcomes] == list(range(8)) for outcomes in found)
    assert sorted(provider.asked.values()) == [1] * 8


def test_a_missing_key_is_noticed_before_anything_is_claimed_or_reserved(
    make_asker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WMIL_TEST_KEY", raising=False)
    asker = make_asker(HERE, api_key_env="WMIL_TEST_KEY")
    with pytest.raises(MissingKey, match="WMIL_TEST_KEY holds no API key"):
        asker.answers(judgements(asker, 1))
    assert asker.budget.spent().calls == 0
    assert asker.store.claim(judgements(asker, 1), 1.0).ours


def test_transitions_and_instances_are_asked_too(make_asker: Any) -> None:
    task = PatternEcho(horizon=2, dynamics="respond")
    asker = make_asker(HERE, task=task, scripted=Scripted())
    states = task.instances(1)
    following, chosen = asker.answers(
        [asker.questions.transition(states[2], range(8), states), asker.questions.instances(0)]
    )
    expected = RuleParent(task).transition(np.repeat(states[2:3], 8, axis=0), np.arange(8))
    assert expected is not None
    assert [one["state"] for one in following.answer["next"]] == expected[:, 0].tolist()
    assert chosen.answer["instances"] == task.instances(0).tolist()
