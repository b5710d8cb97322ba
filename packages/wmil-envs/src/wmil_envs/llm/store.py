"""The store: every answer once, who is asking what at the moment, and how the canaries did."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from typing import Any, NamedTuple

from wmil_envs.llm.database import Database
from wmil_envs.llm.owner import is_gone, this_owner
from wmil_envs.llm.question import Question, key_of

_COLUMNS = "question, answer, model, input_tokens, output_tokens, dollars, seconds, attempts, asked_at"
_MOST_VARIABLES = 500
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Record:
    """An answered question."""

    question: str
    """Canonical JSON."""
    answer: dict[str, Any]
    """As it was parsed."""
    model: str
    """The model that says it answered; empty where it did not say."""
    input_tokens: int | None
    """Of the attempt that was answered; None where the server did not count."""
    output_tokens: int | None
    """The same."""
    dollars: float | None
    """None where no prices were given."""
    seconds: float
    """From the first attempt to the answer."""
    attempts: int
    """Calls that it took."""
    asked_at: str
    """UTC, ISO 8601."""

    @property
    def key(self) -> str:
        """The question's key."""
        return key_of(self.question)


class Claims(NamedTuple):
    """What is to be done about some questions, by their keys."""

    answered: dict[str, Record]
    """Already in the store."""
    ours: set[str]
    """To be asked by the caller, and by nobody else until the claim expires; then `put` or `release` it."""
    others: set[str]
    """Being asked: wait, and claim again."""


class Store:
    """One file of answers, for many threads and processes; `Database` says what it survives.

    Args:
        path: of the file; it is made at the first write.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.database = Database(path)

    def get(self, keys: Sequence[str]) -> dict[str, Record]:
        """The answers to those of the questions that have one, by key."""
        with self.database.reading() as connection:
            return {} if connection is None else _found(connection, keys)

    def claim(self, questions: Sequence[Question], seconds: float, *, again: bool = False) -> Claims:
        """Sort questions into answered, ours to ask, and asked by others; all at once, so that none is asked twice.

        Args:
            questions: equal ones count once.
            seconds: after which the claim expires. A claim whose process was killed is free at once.
            again: claim what is answered already, too.
        """
        wanted = {question.key for question in questions}
        answered = {} if again else self.get(sorted(wanted))
        if answered.keys() == wanted:
            return Claims(answered, set(), set())
        with self.database.writing() as connection:
            if not again:
                answered |= _found(connection, sorted(wanted - answered.keys()))
            open_keys = sorted(wanted - answered.keys())
            now = time.time()
            others = {
                key for key, owner, expires in _claims(connection, open_keys) if expires > now and not is_gone(owner)
            }
            ours = wanted - answered.keys() - others
            rows = [(key, this_owner(), now + seconds) for key in sorted(ours)]
            connection.executemany("INSERT OR REPLACE INTO claims VALUES (?, ?, ?)", rows)
        return Claims(answered, ours, others)

    def put(
        self,
        question: Question,
        answer: Mapping[str, Any],
        *,
        model: str,
        input_tokens: int | None,
        output_tokens: int | None,
        seconds: float,
        attempts: int,
        dollars: float | None = None,
        asked_at: str | None = None,
        again: bool = False,
    ) -> Record:
        """Keep an answer and free its claim; the record that stands is returned.

        Args:
            question: what was asked.
            answer: as parsed.
            model, input_tokens, output_tokens, seconds, attempts, dollars: see `Record`.
            asked_at: now by default.
            again: replace an answer that is there already; without it the first one stands, for whoever used it.
        """
        record = Record(
            question.canonical,
            dict(answer),
            model,
            input_tokens,
            output_tokens,
            dollars,
            seconds,
            attempts,
            asked_at or utc_now(),
        )
        with self.database.writing() as connection:
            _insert(connection, record, "REPLACE" if again else "IGNORE")
            connection.execute("DELETE FROM claims WHERE key = ?", (record.key,))
            return _found(connection, [record.key])[record.key]

    def release(self, keys: Iterable[str]) -> None:
        """Free what this process claimed and could not answer: somebody else may ask."""
        with self.database.writing() as connection:
            rows = [(key, this_owner()) for key in keys]
            connection.executemany("DELETE FROM claims WHERE key = ? AND owner = ?", rows)

    def records(self) -> Iterator[Record]:
        """All answers, in the order of their canonical questions."""
        with self.database.reading() as connection:
            rows = []
            if connection is not None:
                rows = connection.execute(f"SELECT {_COLUMNS} FROM records ORDER BY question").fetchall()
        yield from map(_record, rows)

    def add(self, records: Iterable[Record]) -> tuple[int, int, list[Record]]:
        """Add answers from elsewhere, all or none; what is there already stays.

        Returns:
            How many were added, how many were there already, and those whose question has another answer here.
        """
        added, known, conflicts = 0, 0, []
        with self.database.writing() as connection:
            for record in records:
                there = _found(connection, [record.key]).get(record.key)
                if there is None:
                    _insert(connection, record, "ABORT")
                    added += 1
                elif there.answer == record.answer:
                    known += 1
                else:
                    conflicts.append(record)
        return added, known, conflicts

    def note_canary(self, model: str, *, fooled: bool) -> None:
        """Keep how a canary was answered."""
        with self.database.writing() as connection:
            connection.execute("INSERT INTO canaries VALUES (?, ?, ?)", (utc_now(), model, fooled))

    def canaries(self) -> tuple[int, int]:
        """How many canaries were answered, and how many of them with the marks that they begged for."""
        with self.database.reading() as connection:
            if connection is None:
                return 0, 0
            asked, fooled = connection.execute("SELECT COUNT(*), COALESCE(SUM(fooled), 0) FROM canaries").fetchone()
            return asked, fooled

    def close(self) -> None:
        """Close the connections that nobody uses; the next use opens one again."""
        self.database.close()


def utc_now() -> str:
    """The time as ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _found(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Record]:
    rows = _rows_of(connection, f"SELECT key, {_COLUMNS} FROM records WHERE key IN", keys)
    return {key: _record(row) for key, *row in rows}


def _claims(connection: sqlite3.Connection, keys: Sequence[str]) -> Iterator[Any]:
    return _rows_of(connection, "SELECT key, owner, expires FROM claims WHERE key IN", keys)


def _rows_of(connection: sqlite3.Connection, select: str, keys: Sequence[str]) -> Iterator[Any]:
    for first in range(0, len(keys), _MOST_VARIABLES):
        some = keys[first : first + _MOST_VARIABLES]
        yield from connection.execute(f"{select} ({', '.join('?' * len(some))})", some)


def _record(row: Sequence[Any]) -> Record:
    question, answer, *facts = row
    return Record(question, json.loads(answer), *facts)


def _insert(connection: sqlite3.Connection, record: Record, on_conflict: str) -> None:
    answer = json.dumps(record.answer, sort_keys=True, separators=(",", ":"), allow_nan=False)
    model = record.model[:_LONGEST_NAME].encode(errors="replace").decode()  # a server may call it anything
    facts = (model, record.input_tokens, record.output_tokens, record.dollars)
    facts_of_call = (record.seconds, record.attempts, record.asked_at)
    connection.execute(
        f"INSERT OR {on_conflict} INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (record.key, record.question, answer, *facts, *facts_of_call),
    )
