from __future__ import annotations

import json
from pathlib import Path

import pytest

from wmil_envs.llm.question import Question
from wmil_envs.llm.questions import Questions
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.llm.store import Store
from wmil_envs.llm.transcript import export_transcript, import_transcript
from wmil_envs.tasks.pattern_echo import PatternEcho

TASK = PatternEcho(n_symbols=4)
QUESTIONS = Questions(TASK, LLMSettings(provider="openai", model="m"))
ASKED = [QUESTIONS.judge(state, range(4)) for state in TASK.instances(1)] + [QUESTIONS.instances(0)]


def answer(question: Question, goal: float = 0.0) -> dict:
    if question.kind == "instances":
        return {"instances": [[1]]}
    return {"verdicts": [{"action": action, "goal": goal} for action in range(4)]}


def filled(path: Path, asked: list[Question], goal: float = 0.0) -> Store:
    store = Store(path)
    for one in asked:
        store.put(one, answer(one, goal), model="m", input_tokens=3, output_tokens=None, seconds=0.1, attempts=1)
    return store


def test_what_is_exported_is_imported_once(tmp_path: Path) -> None:
    store, path = filled(tmp_path / "a.sqlite", ASKED), tmp_path / "a.jsonl"
    assert export_transcript(store, path) == 5
    lines = path.read_text().splitlines()
    questions = [json.dumps(json.loads(line)["question"], sort_keys=True, separators=(",", ":")) for line in lines]
    assert questions == sorted(questions), "sorted, one a line"
    copy = Store(tmp_path / "b.sqlite")
    assert import_transcript(copy, path)[:2] == (5, 0)
    assert list(copy.records()) == list(store.records())
    assert import_transcript(copy, path) == (0, 5, [])
    assert export_transcript(copy, tmp_path / "b.jsonl") == 5
    assert (tmp_path / "b.jsonl").read_text() == path.read_text()


def test_the_order_of_answering_leaves_no_trace(tmp_path: Path) -> None:
    texts = []
    for name, asked in (("a", ASKED), ("b", ASKED[::-1])):
        export_transcript(filled(tmp_path / name, asked), tmp_path / f"{name}.jsonl")
        plain = [json.loads(line) | {"asked_at": ""} for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        texts.append(plain)
    assert texts[0] == texts[1]


def test_another_answer_is_reported_and_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "theirs.jsonl"
    export_transcript(filled(tmp_path / "theirs.sqlite", ASKED[1:4], goal=1.0), path)
    store = filled(tmp_path / "ours.sqlite", ASKED[:2])
    added, known, conflicts = import_transcript(store, path)
    assert (added, known) == (2, 0)
    assert [conflict.key for conflict in conflicts] == [ASKED[1].key]
    assert conflicts[0].answer == answer(ASKED[1], 1.0)
    assert store.get([ASKED[1].key])[ASKED[1].key].answer == answer(ASKED[1], 0.0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda plain: plain["answer"]["verdicts"][0].update(goal=7), "goal: Input should be less than or equal to 1"),
        (lambda plain: plain["answer"].update(reason="because"), "Extra inputs are not permitted"),
        (lambda plain: plain.update(more=1), "it must have question, answer"),
        (lambda plain: plain.pop("model"), "it must have question, answer"),
        (lambda plain: plain.update(attempts=True), "its attempts cannot be True"),
        (lambda plain: plain.update(seconds=float("nan")), "its seconds cannot be nan"),
        (lambda plain: plain["question"].pop("content"), "content"),
        (lambda plain: plain.update(question=3), "no answered question"),
        (lambda plain: plain["question"].update(kind="poem"), "no answered question"),
    ],
)
def test_a_line_that_is_no_answered_question_is_named_and_nothing_is_imported(
    tmp_path: Path, change: object, sentence: str
) -> None:
    path = tmp_path / "a.jsonl"
    export_transcript(filled(tmp_path / "a.sqlite", ASKED), path)
    lines = path.read_text().splitlines()
    number = next(number for number, line in enumerate(lines) if json.loads(line)["question"]["kind"] == "judge")
    plain = json.loads(lines[number])
    change(plain)
    path.write_text("\n".join([*lines[:number], json.dumps(plain), *lines[number + 1 :]]))
    store = Store(tmp_path / "b.sqlite")
    with pytest.raises(ValueError, match=f"line {number + 1} is no answered question: .*{sentence}|{sentence}"):
        import_transcript(store, path)
    assert list(store.records()) == []


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("hello\n")
    with pytest.raises(ValueError, match="line 1 is no answered question"):
        import_transcript(Store(tmp_path / "a.sqlite"), path)
    with pytest.raises(FileNotFoundError):
        import_transcript(Store(tmp_path / "a.sqlite"), tmp_path / "nowhere.jsonl")


def test_answers_to_an_older_template_travel_too(tmp_path: Path) -> None:
    old = Question("judge", {"asked": "in another form"}, {"model": "m"}, template=0)
    store = Store(tmp_path / "a.sqlite")
    store.put(old, {"score": 1}, model="m", input_tokens=None, output_tokens=None, seconds=0.1, attempts=1)
    export_transcript(store, tmp_path / "a.jsonl")
    assert import_transcript(Store(tmp_path / "b.sqlite"), tmp_path / "a.jsonl").added == 1
