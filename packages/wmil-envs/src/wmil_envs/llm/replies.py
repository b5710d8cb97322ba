"""Reading replies, strictly: what is not exactly what was asked for is no answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from wmil_envs.llm.errors import MalformedReply, MissingSDK
from wmil_envs.llm.question import Question

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_CHARACTERS = 1_000_000
"""A reply longer than this is not read."""

_KEYS = ("verdicts", "next", "instances", "action", "goal", "cons", "state")

Answer = dict[str, Any]
"""What a reply says, as plain data: `verdicts`, `next` or `instances`."""


def parse(question: Question, text: str) -> Answer:
    """The answer in a reply: its actions in their order, its states in the order in which they were offered.

    Whether a schema was enforced on the way is not relied upon. Refused are: other text around the JSON or a code
    fence, repeated or unknown or missing keys, a score that is no finite number in [0, 1] (a bool and a string are
    none), an action that was not asked about, is missing or comes twice, a state that there is not.

    Raises:
        MalformedReply: the text is not the answer to this question.
        MissingSDK: pydantic is not installed.
    """
    plain = _decoded(text)
    form = _form(question)
    from pydantic import ValidationError

    try:
        reply = form.model_validate(plain)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        known = [str(part) for part in first["loc"] if isinstance(part, int) or part in _KEYS]
        _malformed(f"{'.'.join(known) or 'the whole'}: {first['msg'][:200]}")
    return _READERS[question.kind](question.content, reply.model_dump())


def _decoded(text: str) -> Any:
    if not isinstance(text, str):
        _malformed("it is no text")
    if len(text) > MAX_CHARACTERS:
        _malformed(f"it has {len(text):,} characters, and more than {MAX_CHARACTERS:,} are not read")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        _malformed("it is nested too deeply")
    except ValueError as error:
        _malformed(f"it is no JSON ({str(error)[:100]})")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) < len(pairs):
        _malformed("a key is repeated")
    return plain


def _constant(name: str) -> NoReturn:
    _malformed(f"{name} is no number")


def _form(question: Question) -> type[BaseModel]:
    try:
        from wmil_envs.llm import reply_forms
    except ImportError:
        raise MissingSDK(
            "reading replies needs pydantic, which is not installed: pip install 'wmil-envs[llm]'"
        ) from None
    if question.kind == "instances":
        return reply_forms.Instances
    if question.kind == "transition":
        return reply_forms.Transition
    return reply_forms.ConsistentJudgement if "cons" in question.content["components"] else reply_forms.Judgement


def _judgement(content: Mapping[str, Any], reply: Answer) -> Answer:
    verdicts = _each_action_once(content, reply["verdicts"])
    scores = content["components"]
    return {"verdicts": [{"action": one["action"], **{name: abs(one[name]) for name in scores}} for one in verdicts]}


def _transition(content: Mapping[str, Any], reply: Answer) -> Answer:
    following = _each_action_once(content, reply["next"])
    for one in following:
        if not 0 <= one["state"] < len(content["states"]):
            _malformed("next: there is no state of this number")
    return {"next": following}


def _instances(content: Mapping[str, Any], reply: Answer) -> Answer:
    chosen = {tuple(row) for row in reply["instances"]}
    possible = [tuple(row) for row in content["possible"]]
    if not chosen:
        _malformed("instances: none was chosen")
    if not chosen <= set(possible):
        _malformed("instances: a row is no state of this level")
    if len(chosen) > content["how_many"]:
        _malformed(f"instances: {len(chosen)} rows, and {content['how_many']} were asked for")
    return {"instances": [list(row) for row in possible if row in chosen]}


_READERS: Mapping[str, Callable[[Mapping[str, Any], Answer], Answer]] = {
    "judge": _judgement,
    "transition": _transition,
    "instances": _instances,
}


def _each_action_once(content: Mapping[str, Any], given: list[Answer]) -> list[Answer]:
    asked = sorted(one["action"] for one in content["actions"])
    ordered = sorted(given, key=lambda one: one["action"])
    if [one["action"] for one in ordered] != asked:
        _malformed("the actions are not those asked about, each once")
    return ordered


def _malformed(what: str) -> NoReturn:
    raise MalformedReply(f"the reply is not of the form that was asked for: {what}") from None
