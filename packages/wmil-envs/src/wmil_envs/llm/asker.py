"""The asker: many questions in, each asked once, an answer or the reason why there is none out."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import count
from typing import Any, Literal, NamedTuple

from wmil_envs.llm.anthropic_messages import AnthropicMessages
from wmil_envs.llm.budget import Budget, Reservation
from wmil_envs.llm.circuit import Circuit
from wmil_envs.llm.errors import CallFailed, DeadlineExceeded, NotRecorded, ProviderFault, Refused, Truncated
from wmil_envs.llm.openai_chat import OpenAIChat
from wmil_envs.llm.provider import Completion, Prompt, Provider
from wmil_envs.llm.question import Question
from wmil_envs.llm.questions import Questions, estimated_input_tokens, fell_for
from wmil_envs.llm.replies import parse
from wmil_envs.llm.retries import out_of_time, pause_after
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.llm.store import Record, Store

Source = Literal["live", "cache", "replay"]

_PROVIDERS = {"openai": OpenAIChat, "anthropic": AnthropicMessages}
_FIRST_POLL, _LONGEST_POLL = 0.02, 0.5
_CLAIM_MARGIN = 60.0
"""Seconds that a claim outlasts what its question should take at most."""


class Answered(NamedTuple):
    """A question's answer."""

    answer: Mapping[str, Any]
    """As `replies.parse` gives it."""
    source: Source
    """Where it comes from: `live` for a call, `cache` for the store, `replay` for the store in that mode."""


class _Reply(NamedTuple):
    """An answer, and what it took."""

    answer: Mapping[str, Any]
    completion: Completion
    seconds: float
    attempts: int


class Asker:
    """Asks questions, and is the one owner of threads, retries, deadlines, canaries and the circuit breaker.

    Equal questions are asked once: in a call by their keys; across threads, processes and restarts by claims in the
    store. A question that another process is asking is waited for. In the modes `live` and `refresh` the store is not
    read.

    Which failures are tried again, up to `attempts` times within the deadline, with growing pauses: 408, 409, 429, 5xx,
    a connection that is refused or breaks; and once, a malformed reply. `Retry-After` is obeyed where the deadline
    leaves the time, else the question has failed at once. Waiting for the rates of the budget does not count.

    After `breaker` failed questions in a row, or a canary that got marks, the circuit is open: whatever is not in the
    store is answered by `CircuitOpen`, until a new asker is made. Calls in flight end as they would.

    Args:
        settings: who is asked, and how.
        questions: writes the prompts and the canaries.
        store: of the answers.
        budget: every attempt that is sent is one call.
        provider: the settings' one by default.
        clock: seconds, never going back.
        sleep: pauses for so many seconds.
    """

    def __init__(
        self,
        settings: LLMSettings,
        questions: Questions,
        store: Store,
        budget: Budget,
        provider: Provider | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.questions = questions
        self.store = store
        self.budget = budget
        self.provider: Provider = provider or _PROVIDERS[settings.provider](settings)
        self.counts: Counter[str] = Counter()
        """`calls` and `canaries` that were sent (each attempt is one), `answers` and `failures` of live questions."""
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._canary_lock = threading.Lock()
        self._circuit = Circuit(settings.model, settings.breaker)
        self._n_canaries = 0
        self._next_canary = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, or what is unpickled in another process, starts with a closed circuit and counts from zero."""
        return type(self), (self.settings, self.questions, self.store, self.budget, self.provider)

    def answers(
        self, questions: Sequence[Question], progress: Callable[[int], None] | None = None
    ) -> list[Answered | CallFailed]:
        """The answers, in the order of the questions; a `CallFailed` stands where there is none.

        Args:
            questions: equal ones are asked once.
            progress: told, in the caller's thread, how many different questions are dealt with, after each.

        Raises:
            NotRecorded: in replay mode, the store lacks one.
            BudgetExceeded: the next call is not allowed. What was answered before is in the store.
            StoreError, MissingSDK, MissingKey: nobody can be asked, or nothing kept.
        """
        distinct = {question.key: question for question in questions}
        outcomes = self._recorded(list(distinct))
        missing = [question for key, question in distinct.items() if key not in outcomes]
        n_recorded, tell = len(outcomes), progress or (lambda n_done: None)
        tell(n_recorded)
        if missing:
            outcomes |= self._asked(missing, lambda n_asked: tell(n_recorded + n_asked))
        return [outcomes[question.key] for question in questions]

    def _recorded(self, keys: list[str]) -> dict[str, Answered | CallFailed]:
        mode = self.settings.mode
        if mode in ("live", "refresh"):
            return {}
        source: Source = "replay" if mode == "replay" else "cache"
        return {key: Answered(record.answer, source) for key, record in self.store.get(keys).items()}

    def _asked(self, missing: Sequence[Question], tell: Callable[[int], None]) -> dict[str, Answered | CallFailed]:
        if self.settings.mode == "replay":
            raise NotRecorded(
                f"{self.store.database.path} lacks {len(missing)} of the answers, and in the mode 'replay' nobody is "
                f"asked; the first such question: {missing[0].canonical}"
            )
        if not self._circuit.is_open:
            self.provider.prepare()
        n_threads = min(self.settings.budget.concurrency, len(missing))
        outcomes: dict[str, Answered | CallFailed] = {}
        with ThreadPoolExecutor(n_threads, thread_name_prefix="wmil-asker") as pool:
            futures = {pool.submit(self._outcome, question): question.key for question in missing}
            try:
                for future in as_completed(futures):
                    outcomes[futures[future]] = future.result()
                    tell(len(outcomes))
            except BaseException:
                for future in futures:  # those in flight are paid for: they end, and are recorded
                    future.cancel()
                raise
        return outcomes

    def _outcome(self, question: Question) -> Answered | CallFailed:
        """Ask one question, unless somebody else answers it first."""
        if self.settings.mode == "live":
            return self._live(question)
        poll = _FIRST_POLL
        while not self._circuit.is_open:
            seconds = self.settings.deadline + self.settings.attempts * self.budget.seconds_until_allowed()
            claims = self.store.claim([question], seconds + _CLAIM_MARGIN, again=self.settings.mode == "refresh")
            if claims.answered:
                return Answered(claims.answered[question.key].answer, "cache")
            if claims.ours:
                return self._claimed(question)
            self._sleep(poll)
            poll = min(2 * poll, _LONGEST_POLL)
        return self._circuit.failure()

    def _claimed(self, question: Question) -> Answered | CallFailed:
        is_recorded = False
        try:
            outcome = self._live(question)
            is_recorded = isinstance(outcome, Answered)
            return outcome
        finally:
            if not is_recorded:
                self.store.release([question.key])

    def _live(self, question: Question) -> Answered | CallFailed:
        if failure := self._canary_failure():
            return failure
        if self._circuit.is_open:
            return self._circuit.failure()
        reply = self._reply(question, "calls")
        self._note(reply)
        if isinstance(reply, CallFailed):
            return reply
        answer = reply.answer if self.settings.mode == "live" else self._keep(question, reply).answer
        return Answered(answer, "live")

    def _note(self, reply: _Reply | CallFailed) -> None:
        failure = reply if isinstance(reply, CallFailed) else None
        with self._lock:
            self.counts["failures" if failure else "answers"] += 1
        self._circuit.note(failure)

    def _keep(self, question: Question, reply: _Reply) -> Record:
        used = reply.completion
        dollars = None
        if used.input_tokens is not None and used.output_tokens is not None:
            dollars = self.budget.dollars(used.input_tokens, used.output_tokens)
        return self.store.put(
            question,
            reply.answer,
            model=used.model,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            seconds=round(reply.seconds, 3),
            attempts=reply.attempts,
            dollars=dollars,
            again=self.settings.mode == "refresh",
        )

    def _canary_failure(self) -> CallFailed | None:
        """Ask the canaries that are due: all before the first question, one more after every `canary_every` calls.

        Nobody starts a question meanwhile. A canary that the provider could not answer fails the question that it was
        asked for; one that is refused or answered without marks has been passed.
        """
        if not self.settings.canary_every:
            return None
        with self._canary_lock:
            if self.counts["calls"] < self._next_canary or self._circuit.is_open:
                return None
            canaries = self.questions.canaries()
            n_due = 1 if self._n_canaries else len(canaries)
            for number in range(self._n_canaries, self._n_canaries + n_due):
                reply = self._reply(canaries[number % len(canaries)], "canaries")
                if isinstance(reply, ProviderFault | DeadlineExceeded):
                    self._note(reply)
                    return reply
                self._judge_canary(reply)
            self._n_canaries += n_due
            self._next_canary = self.counts["calls"] + self.settings.canary_every
        return None

    def _judge_canary(self, reply: _Reply | CallFailed) -> None:
        is_fooled = isinstance(reply, _Reply) and fell_for(reply.answer)
        model = reply.completion.model if isinstance(reply, _Reply) else ""
        self.store.note_canary(model, fooled=is_fooled)
        if is_fooled:
            self._circuit.open(
                "it gave marks to a wrong action because the text of the question asked for them; verdicts since the "
                "canary before may be worth nothing"
            )

    def _reply(self, question: Question, what: Literal["calls", "canaries"]) -> _Reply | CallFailed:
        """All attempts at one question."""
        began = self._clock()
        for attempt in count(1):
            prompt = self.questions.prompt(question)
            reservation = self.budget.reserve(estimated_input_tokens(prompt), self.settings.max_tokens)
            if reservation.seconds_to_wait > 0:
                self._sleep(reservation.seconds_to_wait)
                began += reservation.seconds_to_wait
            deadline = began + self.settings.deadline
            try:
                completion = self._call(prompt, reservation, deadline - self._clock(), what)
                return _Reply(_answer(question, completion), completion, self._clock() - began, attempt)
            except CallFailed as error:
                failure = error
            pause = pause_after(failure, attempt)
            if pause is None or attempt >= self.settings.attempts:
                return failure
            if self._clock() + pause >= deadline:
                return out_of_time(failure, pause, self.settings.deadline)
            self._sleep(pause)
        raise AssertionError("attempts have no end")

    def _call(
        self, prompt: Prompt, reservation: Reservation, seconds: float, what: Literal["calls", "canaries"]
    ) -> Completion:
        """One attempt, settled after it."""
        with self._lock:
            self.counts[what] += 1
        used: tuple[int | None, int | None] = (None, None)
        try:
            completion = self.provider.complete(prompt, max(seconds, 0.001))
            used = completion.input_tokens, completion.output_tokens
            return completion
        except ProviderFault as error:
            if error.status is not None:
                used = (0, 0)  # a status without a reply: no model has worked
            raise
        finally:
            self.budget.settle(reservation, *used)


def _answer(question: Question, completion: Completion) -> dict[str, Any]:
    if completion.finish == "refused":
        raise Refused(f"{completion.model or 'the model'} declined to answer: {completion.text[:200]!r}")
    if completion.finish == "truncated":
        raise Truncated("the reply was cut off at max_tokens; raise it, or ask for less at once")
    return parse(question, completion.text)
