"""Every fault of a service, against the real SDKs: it ends as documented, in time, and shows the key to nobody."""

from __future__ import annotations

import logging
import pickle
import socket
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import wmil_envs.llm.retries
from wmil_envs.fake_llm.server import FakeLLM
from wmil_envs.llm.asker import Answered, Asker
from wmil_envs.llm.errors import (
    CallFailed,
    DeadlineExceeded,
    MalformedReply,
    ProviderFault,
    Refused,
    Truncated,
)
from wmil_envs.llm.question import Question

ALWAYS = 1_000
SHORT, LONG = 1.0, 5.0
"""Deadlines: one for what must run into it, one that a busy machine does not reach."""


class Row(NamedTuple):
    """A fault, how many requests meet it, how the question ends, and how many calls that takes with four attempts."""

    fault: str
    times: int
    outcome: type[Answered | CallFailed]
    calls: int
    says: str = ""


# table begins
MATRIX = (
    # the service says no, and will again: no second try
    Row("401", ALWAYS, ProviderFault, 1, "see whether the key in WMIL_TEST_KEY is the right one"),
    Row("403", ALWAYS, ProviderFault, 1, "may not use this model"),
    Row("404", ALWAYS, ProviderFault, 1, "model's name and base_url"),
    Row("422", ALWAYS, ProviderFault, 1, "answered 422"),
    Row("307", ALWAYS, ProviderFault, 1, "redirects are not followed"),
    # the service may say yes later: up to four tries, within the deadline
    Row("408", 1, Answered, 2),
    Row("409", 1, Answered, 2),
    Row("429 0.2", 1, Answered, 2),
    Row("429 500", ALWAYS, ProviderFault, 1, "asks to wait 500 s, which the deadline of 1 s forbids"),
    Row("500", 3, Answered, 4),
    Row("500", ALWAYS, ProviderFault, 4, "answered 500"),
    Row("529", 1, Answered, 2),
    Row("529", ALWAYS, ProviderFault, 4, "answered 529"),
    Row("refused connection", ALWAYS, ProviderFault, 4, "no connection"),
    Row("reset", 1, Answered, 2),
    Row("reset", ALWAYS, ProviderFault, 4, "no connection to"),
    # it takes too long, or is too long
    Row("slow", ALWAYS, DeadlineExceeded, 1, "did not reply"),
    Row("drip", ALWAYS, DeadlineExceeded, 1, "did not reply"),
    Row("huge", ALWAYS, ProviderFault, 1, "longer than 1,048,576 bytes"),
    Row("compressed", ALWAYS, ProviderFault, 1, "compressed"),
    # no reply in the vendor's format: one more try
    Row("html", ALWAYS, MalformedReply, 2, "Please sign in to this network"),
    Row("broken envelope", ALWAYS, MalformedReply, 2, "no reply of"),
    Row("empty choices", ALWAYS, MalformedReply, 2, "no reply of"),
    Row("html", 1, Answered, 2),
    # a reply that is no verdict: one more try
    Row("prose", ALWAYS, MalformedReply, 2, "no JSON"),
    Row("fenced", ALWAYS, MalformedReply, 2, "no JSON"),
    Row("reward 7", ALWAYS, MalformedReply, 2, "verdicts.0.goal"),
    Row("nan", ALWAYS, MalformedReply, 2, "NaN is no number"),
    Row("true", ALWAYS, MalformedReply, 2, "verdicts.0.goal"),
    Row("string", ALWAYS, MalformedReply, 2, "verdicts.0.goal"),
    Row("extra key", ALWAYS, MalformedReply, 2, "Extra inputs"),
    Row("repeated key", ALWAYS, MalformedReply, 2, "a key is repeated"),
    Row("cut", ALWAYS, MalformedReply, 2, "no JSON"),
    Row("wrong schema", ALWAYS, MalformedReply, 2, "not of the form"),
    Row("wrong schema of instances", ALWAYS, MalformedReply, 2, "instances"),
    Row("prose", 1, Answered, 2),
    # the model ended on its own account: no second try
    Row("truncated", ALWAYS, Truncated, 1, "max_tokens"),
    Row("refusal", ALWAYS, Refused, 1, "declined"),
)
# table ends


@pytest.fixture(autouse=True)
def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wmil_envs.llm.retries, "FIRST_PAUSE", 0.05)


@pytest.fixture(autouse=True)
def proxies_that_lead_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)


def the_question(asker: Asker, row: Row) -> Question:
    if "instances" in row.fault:
        return asker.questions.instances(1)
    return asker.questions.judge(asker.questions.task.instances(1)[3], range(8))


def closed_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def everything_said(error: BaseException) -> str:
    """All that a log, a debugger or a report could show of an error and of those behind it."""
    said = []
    one: BaseException | None = error
    while one is not None:
        lines = traceback.TracebackException.from_exception(one, capture_locals=True).format()
        said += [str(one), repr(one), repr(vars(one)), repr(one.args), "".join(lines)]
        one = one.__cause__ or one.__context__
    return "\n".join([*said, repr(pickle.dumps(error))])


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: f"{row.fault}-{row.times}")
def test_a_fault_ends_as_documented(
    row: Row, provider_name: str, make_asker: Any, sentinel: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    name = row.fault.removesuffix(" of instances")
    is_refused = name == "refused connection"
    deadline = SHORT if row.outcome is DeadlineExceeded or name == "429 500" else LONG
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    with FakeLLM(faults=() if is_refused else chain(repeat(name, row.times), repeat("ok"))) as server:
        base_url = f"http://127.0.0.1:{closed_port()}" if is_refused else server.base_url(provider_name)
        asker = make_asker(
            base_url, provider=provider_name, api_key_env="WMIL_TEST_KEY", deadline=deadline, sleep=sleep
        )
        asker.provider.prepare()
        began = time.perf_counter()
        [outcome] = asker.answers([the_question(asker, row)])
        seconds = time.perf_counter() - began

    assert type(outcome) is row.outcome
    assert asker.budget.spent().calls == asker.counts["calls"] == row.calls
    assert is_refused or len(server.requests) == row.calls
    assert seconds < deadline + 0.5
    if name == "429 0.2":
        assert pauses == [0.2]
    else:
        longest = [0.0] if row.calls == 2 and row.outcome is MalformedReply else [0.05, 0.1, 0.2]
        assert len(pauses) == row.calls - 1
        assert all(pause <= most for pause, most in zip(pauses, longest, strict=False)), "no longer than needed"
    if isinstance(outcome, CallFailed):
        assert row.says in str(outcome)
        assert sentinel not in everything_said(outcome)
        same = pickle.loads(pickle.dumps(outcome))
        assert (type(same), str(same), same.args) == (type(outcome), str(outcome), outcome.args)
    assert sentinel not in caplog.text
    assert sentinel.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def failing_question(base_url: str, provider: str, store: str) -> None:
    """Raises, in another process, what an asker returns."""
    from wmil_envs.llm.budget import Budget
    from wmil_envs.llm.questions import Questions
    from wmil_envs.llm.settings import BudgetSettings, LLMSettings
    from wmil_envs.llm.store import Store
    from wmil_envs.tasks.pattern_echo import PatternEcho

    budget = BudgetSettings(calls=10)
    settings = LLMSettings(
        provider=provider,  # type: ignore[arg-type]  # one of both
        model="m",
        base_url=base_url,
        api_key_env="WMIL_TEST_KEY",
        store=store,
        budget=budget,
        canary_every=0,
    )
    questions = Questions(PatternEcho(), settings)
    asker = Asker(settings, questions, Store(store), Budget(budget, Store(store)))
    [outcome] = asker.answers([questions.judge(PatternEcho().instances(1)[3], range(8))])
    assert isinstance(outcome, CallFailed)
    raise outcome


def test_errors_cross_a_process_pool_intact(sentinel: str, tmp_path: Path) -> None:
    with (
        FakeLLM(faults=repeat("401")) as server,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        futures = [
            pool.submit(failing_question, server.base_url(provider), provider, str(tmp_path / provider))
            for provider in ("openai", "anthropic")
        ]
        errors = [future.exception() for future in futures]
        assert pool.submit(int, "7").result() == 7, "the pool is not broken"
    for error in errors:
        assert isinstance(error, ProviderFault)
        assert (error.status, error.is_transient) == (401, False)
        assert sentinel not in everything_said(error)


def test_the_search_for_the_key_finds_it(sentinel: str) -> None:
    def leaks(key: str) -> None:
        raise ProviderFault("some fault")

    with pytest.raises(ProviderFault) as caught:
        leaks(sentinel)
    assert sentinel in everything_said(caught.value)
