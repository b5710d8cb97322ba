"""A store as text: JSONL, one answered question a line, sorted, so that it can be compared, shipped and merged."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from math import isfinite
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from wmil_envs.llm.errors import MalformedReply
from wmil_envs.llm.question import TEMPLATE_VERSION, Question
from wmil_envs.llm.replies import parse
from wmil_envs.llm.store import Record, Store

_NAMES = [field.name for field in fields(Record)]
_KINDS: Mapping[str, tuple[type, ...]] = {
    "answer": (dict,),
    "model": (str,),
    "input_tokens": (int, NoneType),
    "output_tokens": (int, NoneType),
    "dollars": (int, float, NoneType),
    "seconds": (int, float),
    "attempts": (int,),
    "asked_at": (str,),
}


class Imported(NamedTuple):
    """What became of the lines of a transcript."""

    added: int
    """Answers that the store did not have."""
    known: int
    """Answers that it had."""
    conflicts: list[Record]
    """Other answers to questions that it has answered already; its own stand."""


def export_transcript(store: Store, path: str | Path) -> int:
    """Write every answer of a store to a file, in the order of the canonical questions; how many there were."""
    path, n_records = Path(path), 0
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8") as lines:
            for record in store.records():
                plain = {name: getattr(record, name) for name in _NAMES} | {"question": json.loads(record.question)}
                lines.write(json.dumps(plain, allow_nan=False) + "\n")
                n_records += 1
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return n_records


def import_transcript(store: Store, path: str | Path) -> Imported:
    """Add the answers of a file to a store: all of them or, if a line cannot be, none. Twice is as good as once.

    Raises:
        ValueError: a line is no answered question, or its answer is none to its question; says which.
        FileNotFoundError: there is no such file.
    """
    return Imported(*store.add(list(_records(Path(path)))))


def _records(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield _record(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MalformedReply) as error:
                raise ValueError(f"{path}, line {number} is no answered question: {error}") from None


def _record(plain: dict[str, Any]) -> Record:
    if set(plain) != set(_NAMES):
        raise ValueError(f"it must have {', '.join(_NAMES)}, and has {', '.join(plain)}")
    asked = plain["question"]
    question = Question(asked["kind"], asked["content"], asked["asked_of"], asked["sample"], asked["template"])
    for name, kinds in _KINDS.items():
        value = plain[name]
        if type(value) not in kinds or (isinstance(value, float) and not isfinite(value)):
            raise ValueError(f"its {name} cannot be {value!r}")
    is_current = question.template == TEMPLATE_VERSION
    answer = parse(question, json.dumps(plain["answer"])) if is_current else plain["answer"]
    return Record(**{**plain, "question": question.canonical, "answer": answer})
