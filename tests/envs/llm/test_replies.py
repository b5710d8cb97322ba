from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wmil_envs.llm.errors import MalformedReply
from wmil_envs.llm.question import Question
from wmil_envs.llm.questions import Questions
from wmil_envs.llm.replies import MAX_CHARACTERS, parse
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.tasks.pattern_echo import PatternEcho

TASK = PatternEcho(n_symbols=3, horizon=2, dynamics="permute")
STATES = TASK.instances(1)
PLAIN = Questions(TASK, LLMSettings(provider="openai", model="m"))
CONSISTENT = Questions(TASK, LLMSettings(provider="openai", model="m", judges_consistency=True))

JUDGE = PLAIN.judge(STATES[0], [0, 1, 2])
ASKED: dict[str, Question] = {
    "judge": JUDGE,
    "judge with cons": CONSISTENT.judge(STATES[0], [1, 2]),
    "transition": PLAIN.transition(STATES[0], [0, 2], STATES),
    "instances": PLAIN.instances(1, 2),
}
VALID: dict[str, dict[str, Any]] = {
    "judge": {"verdicts": [{"action": 0, "goal": 1.0}, {"action": 1, "goal": 0.0}, {"action": 2, "goal": 0.5}]},
    "judge with cons": {
        "verdicts": [{"action": 1, "goal": 0.0, "cons": 1.0}, {"action": 2, "goal": 0.25, "cons": 0.0}]
    },
    "transition": {"next": [{"action": 0, "state": 2}, {"action": 2, "state": 0}]},
    "instances": {"instances": [[0], [2]]},
}


def verdicts(*goals: str) -> str:
    """A judgement of all three actions, of which the first goals are spelt as given."""
    spelt = [*goals, "0", "0"][:3]
    rows = ", ".join(f'{{"action": {action}, "goal": {goal}}}' for action, goal in enumerate(spelt))
    return f'{{"verdicts": [{rows}]}}'


@pytest.mark.parametrize("kind", VALID)
def test_a_valid_reply_is_its_own_answer(kind: str) -> None:
    assert parse(ASKED[kind], json.dumps(VALID[kind])) == VALID[kind]
    assert parse(ASKED[kind], f"\n {json.dumps(VALID[kind], indent=2)}\n") == VALID[kind]


def test_the_order_of_a_reply_means_nothing() -> None:
    swapped = {"verdicts": VALID["judge"]["verdicts"][::-1]}
    assert parse(JUDGE, json.dumps(swapped)) == VALID["judge"]
    assert parse(ASKED["instances"], '{"instances": [[2], [0], [2]]}') == VALID["instances"], "duplicates are dropped"


def test_whole_numbers_are_scores() -> None:
    answer = parse(JUDGE, verdicts("1", "-0.0"))
    assert [one["goal"] for one in answer["verdicts"]] == [1.0, 0.0, 0.0]
    assert all(type(one["goal"]) is float and math.copysign(1.0, one["goal"]) == 1.0 for one in answer["verdicts"])


MALFORMED = {
    "empty": "",
    "prose": "The first action is right.",
    "prose before": f"Here you are: {verdicts()}",
    "prose after": f"{verdicts()} I hope this helps.",
    "fenced JSON": f"```json\n{verdicts()}\n```",
    "cut off": verdicts()[:-3],
    "a list": "[1, 0, 0]",
    "null": "null",
    "reward 7": verdicts("7"),
    "negative": verdicts("-0.001"),
    "NaN": verdicts("NaN"),
    "infinite": verdicts("Infinity"),
    "too large for a float": verdicts("1e999"),
    "a huge whole number": verdicts("1" + "0" * 400),
    "digits without end": verdicts("1" * 5_000),
    "true": verdicts("true"),
    "a string": verdicts('"0.5"'),
    "null score": verdicts("null"),
    "extra key": '{"verdicts": [], "reason": "because"}',
    "extra key inside": verdicts('1, "reason": "because"'),
    "missing key": '{"verdicts": [{"action": 0}, {"action": 1, "goal": 0}, {"action": 2, "goal": 0}]}',
    "repeated key": verdicts('0, "goal": 1'),
    "repeated key outside": '{"verdicts": [], "verdicts": []}',
    "an action is missing": '{"verdicts": [{"action": 0, "goal": 1}]}',
    "an action twice": verdicts().replace('"action": 2', '"action": 1'),
    "an action nobody asked about": verdicts().replace('"action": 2', '"action": 3'),
    "an action as a fraction": verdicts().replace('"action": 2', '"action": 2.0'),
    "an action as a bool": verdicts().replace('"action": 1', '"action": true'),
    "nested without end": "[" * 200_000,
    "a lone surrogate": '{"\\ud800": 1}',
    "very long": verdicts() + " " * MAX_CHARACTERS,
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_exactly_what_was_asked_for_is_no_answer(text: str) -> None:
    with pytest.raises(MalformedReply, match="the reply is not of the form that was asked for: ") as refusal:
        parse(JUDGE, text)
    assert len(str(refusal.value)) < 400
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("judge with cons", '{"verdicts": [{"action": 1, "goal": 0}, {"action": 2, "goal": 0}]}'),
        (
            "judge with cons",
            json.dumps(VALID["judge with cons"]).replace("0.25", '0.25, "cons": 1.5').replace(', "cons": 0.0', ""),
        ),
        ("judge", json.dumps(VALID["judge with cons"])),
        ("transition", '{"next": [{"action": 0, "state": 3}, {"action": 2, "state": 0}]}'),
        ("transition", '{"next": [{"action": 0, "state": -1}, {"action": 2, "state": 0}]}'),
        ("transition", '{"next": [{"action": 0, "state": 0}]}'),
        ("instances", '{"instances": []}'),
        ("instances", '{"instances": [[3]]}'),
        ("instances", '{"instances": [[0, 0]]}'),
        ("instances", '{"instances": [[0], [1], [2]]}'),
        ("instances", '{"instances": [0, 1]}'),
        ("instances", '{"instances": [[true]]}'),
        ("instances", json.dumps(VALID["judge"])),
    ],
)
def test_each_kind_has_its_own_rules(kind: str, text: str) -> None:
    with pytest.raises(MalformedReply):
        parse(ASKED[kind], text)


def test_something_that_is_no_text_is_malformed() -> None:
    with pytest.raises(MalformedReply, match="it is no text"):
        parse(JUDGE, None)  # type: ignore[arg-type]  # a server may send anything


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([0, 1, 2, 0.5])
)
KEYS = st.sampled_from(["verdicts", "next", "instances", "action", "goal", "cons", "state"]) | st.text(max_size=5)
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
NUMBERS = st.integers(-1, 3) | st.floats(-0.5, 1.5) | st.booleans() | st.sampled_from(["0.5", None, math.nan, math.inf])


@st.composite
def near_valid(draw: st.DrawFn, kind: str) -> str:
    """The right form, with numbers that need not be right."""
    if kind == "instances":
        return json.dumps({"instances": draw(st.lists(st.lists(NUMBERS, min_size=1, max_size=2), max_size=4))})
    names = {"judge": ["goal"], "judge with cons": ["goal", "cons"], "transition": ["state"]}[kind]
    rows = draw(st.lists(st.fixed_dictionaries({"action": NUMBERS} | dict.fromkeys(names, NUMBERS)), max_size=4))
    return json.dumps({"next" if kind == "transition" else "verdicts": rows})


@st.composite
def mutated(draw: st.DrawFn, kind: str) -> str:
    """A valid reply in which one place was changed: a value replaced, or some characters cut, doubled or inserted."""
    reply = copy.deepcopy(VALID[kind])
    if draw(st.booleans()):
        place = draw(st.sampled_from(list(_places(reply))))
        _replace(reply, place, draw(SCALARS | ANY_JSON))
        return json.dumps(reply)
    text = json.dumps(reply)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 10)))
    return text[:start] + draw(st.sampled_from(["", text[start:end] * 2, '"', ",", "1", "{", "]"])) + text[end:]


def _places(value: Any, place: tuple = ()) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*place, name)
        yield from _places(inner, (*place, name))


def _replace(value: Any, place: tuple, new: Any) -> None:
    for name in place[:-1]:
        value = value[name]
    value[place[-1]] = new


@st.composite
def replies(draw: st.DrawFn) -> tuple[str, str]:
    kind = draw(st.sampled_from(list(VALID)))
    source = draw(st.sampled_from(["text", "json", "near valid", "mutated"]))
    if source == "text":
        return kind, draw(st.text(max_size=200))
    if source == "json":
        return kind, json.dumps(draw(ANY_JSON))
    return kind, draw(near_valid(kind) if source == "near valid" else mutated(kind))


def is_a_valid_answer_or_malformed(kind: str, text: str) -> None:
    question = ASKED[kind]
    try:
        answer = parse(question, text)
    except MalformedReply:
        return
    assert parse(question, json.dumps(answer)) == answer
    if kind == "instances":
        rows = [tuple(row) for row in answer["instances"]]
        assert 1 <= len(rows) == len(set(rows)) <= 2
        assert all(type(value) is int and 0 <= value < 3 for row in rows for value in row)
        return
    rows = answer["next" if kind == "transition" else "verdicts"]
    assert [row["action"] for row in rows] == [one["action"] for one in question.content["actions"]]
    assert all(type(row["action"]) is int for row in rows)
    for row in rows:
        if kind == "transition":
            assert row.keys() == {"action", "state"}
            assert type(row["state"]) is int
            assert 0 <= row["state"] < len(STATES)
        else:
            assert row.keys() == {"action", *question.content["components"]}
            scores = [row[name] for name in question.content["components"]]
            assert all(type(score) is float and np.isfinite(score) and 0.0 <= score <= 1.0 for score in scores)


REPEATABLE: Any = {"deadline": None, "database": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=400, **REPEATABLE)
@given(replies())
def test_any_reply_is_a_valid_answer_or_malformed(case: tuple[str, str]) -> None:
    is_a_valid_answer_or_malformed(*case)


@pytest.mark.slow
@settings(max_examples=2_000, **REPEATABLE)
@given(replies())
def test_any_of_many_replies_is_a_valid_answer_or_malformed(case: tuple[str, str]) -> None:
    is_a_valid_answer_or_malformed(*case)
