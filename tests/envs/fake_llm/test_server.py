"""The stand-in for a language model answers by the rule, goes wrong as asked, and leaves nothing open."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Mapping
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

from wmil_envs.fake_llm.rule_answers import full_marks, has_plea, kind_of, rule_answer
from wmil_envs.fake_llm.server import FakeLLM, serve
from wmil_envs.llm.question import Question
from wmil_envs.llm.questions import Questions, fell_for
from wmil_envs.llm.replies import parse
from wmil_envs.llm.settings import LLMSettings
from wmil_envs.parents.rule import RuleParent
from wmil_envs.task import Task
from wmil_envs.tasks.conditional import Conditional
from wmil_envs.tasks.pattern_echo import PatternEcho
from wmil_envs.tasks.sequence_next import SequenceNext

TASKS = (PatternEcho(n_symbols=4, alphabet=3), SequenceNext(), Conditional(alphabet=1))
SETTINGS = LLMSettings(provider="openai", model="m", judges_consistency=True)


def sent(server: FakeLLM, questions: Questions, question: Question, path: str = "/v1/chat/completions") -> Any:
    """The status and the body that a bare HTTP client gets."""
    body = {"messages": [{"role": "user", "content": questions.prompt(question).user}]}
    return post(server, path, body)


def post(server: FakeLLM, path: str, body: Mapping[str, Any]) -> Any:
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=10)
    try:
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_it_judges_as_the_rule_does(task: Task) -> None:
    questions = Questions(task, SETTINGS)
    states = task.instances(len(task.levels) - 1)
    for state in states[:: max(1, len(states) // 10)]:
        question = questions.judge(state, range(task.n_actions))
        answer = parse(question, json.dumps(rule_answer(question.content)))
        marked = [verdict["action"] for verdict in answer["verdicts"] if verdict["goal"] == verdict["cons"] == 1.0]
        assert marked == task.correct_actions(state[None]).tolist()


@pytest.mark.parametrize("dynamics", ["same", "permute", "respond"])
def test_it_knows_what_follows(dynamics: str) -> None:
    task = Conditional(horizon=3, dynamics=dynamics)
    states, actions = task.instances(2), np.arange(task.n_actions)
    question = Questions(task, SETTINGS).transition(states[5], range(task.n_actions), states)
    answer = parse(question, json.dumps(rule_answer(question.content)))
    expected = RuleParent(task).transition(np.repeat(states[5:6], len(actions), axis=0), actions)
    assert states[[one["state"] for one in answer["next"]]].tolist() == np.asarray(expected).tolist()


@pytest.mark.parametrize("dynamics", ["permute", "respond"])
def test_what_follows_is_among_the_states_that_were_chosen(dynamics: str) -> None:
    task = PatternEcho(horizon=3, dynamics=dynamics)
    chosen = task.instances(1)[[0, 2, 5]]
    question = Questions(task, SETTINGS).transition(chosen[1], range(task.n_actions), chosen)
    answer = rule_answer(question.content)
    assert {one["state"] for one in answer["next"]} <= {0, 1, 2}
    rule = RuleParent(task, [chosen[chosen[:, 0] < 4], chosen])
    expected = rule.transition(np.repeat(chosen[1:2], task.n_actions, axis=0), np.arange(task.n_actions))
    assert expected is not None
    assert chosen[[one["state"] for one in answer["next"]]].tolist() == expected.tolist()


def test_it_sets_as_many_tasks_as_asked() -> None:
    question = Questions(SequenceNext(), SETTINGS).instances(0, 5)
    assert len(parse(question, json.dumps(rule_answer(question.content)))["instances"]) == 5


def test_wrong_verdicts_are_always_the_same_ones() -> None:
    questions = Questions(PatternEcho(), SETTINGS)
    contents = [questions.judge(state, range(8)).content for state in PatternEcho().instances(1)]

    def goals(rate: float, seed: int) -> list[float]:
        answers = [rule_answer(content, rate, seed) for content in contents]
        return [verdict["goal"] for answer in answers for verdict in answer["verdicts"]]

    assert goals(0.3, 1) == goals(0.3, 1) != goals(0.3, 2)
    assert 8 <= np.not_equal(goals(0.3, 1), goals(0.0, 1)).sum() <= 32
    assert np.all(np.not_equal(goals(1.0, 1), goals(0.0, 1)))
    single = [questions.judge(PatternEcho().instances(1)[2], [action]).content for action in range(8)]
    apart = [rule_answer(content, 0.3, 1)["verdicts"][0]["goal"] for content in single]
    assert apart == goals(0.3, 1)[16:24], "the same cells, however the question is cut"


def test_a_gullible_judge_does_what_a_canary_says_and_another_does_not() -> None:
    questions = Questions(Conditional(), SETTINGS)
    with FakeLLM(gullible=True) as gullible, FakeLLM() as honest:
        for canary in questions.canaries():
            for server in (gullible, honest):
                _, reply = sent(server, questions, canary)
                answer = parse(canary, reply["choices"][0]["message"]["content"])
                assert fell_for(answer) == (server is gullible)
        assert set(gullible.counts) == set(honest.counts) == {"canary"}
        assert not honest.asked


def test_an_honest_question_begs_for_nothing() -> None:
    questions = Questions(PatternEcho(), SETTINGS)
    content = questions.judge(PatternEcho().instances(1)[0], range(8)).content
    assert not has_plea(content)
    assert kind_of(content) == "judge"
    assert fell_for(full_marks(content))


def test_rates_hit_their_share_and_the_same_requests_again() -> None:
    questions = Questions(PatternEcho(), SETTINGS)
    question = questions.judge(PatternEcho().instances(1)[0], range(8))

    def outcomes() -> list[str]:
        with FakeLLM(error_rate=0.3, malformed_rate=0.3, seed=5) as server:
            return [server.note("", {}, {}, question.content) for _ in range(300)]

    faults = outcomes()
    assert faults == outcomes()
    assert 60 <= faults.count("500") <= 120
    assert 100 <= faults.count("ok") <= 190
    assert len(set(faults)) == 12, "an error, no fault, and ten malformed replies"


def test_faults_come_in_their_order() -> None:
    questions = Questions(PatternEcho(), SETTINGS)
    question = questions.judge(PatternEcho().instances(1)[0], range(8))
    with FakeLLM(faults=["503", "ok", "404"]) as server:
        assert [sent(server, questions, question)[0] for _ in range(4)] == [503, 200, 404, 200]
        assert server.asked.most_common(1)[0][1] == 4


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no fault 'flood'"):
        FakeLLM(faults=["flood"])


def test_what_is_no_question_is_a_400_and_another_path_a_404() -> None:
    with FakeLLM() as server:
        assert post(server, "/v1/messages", {"messages": [{"content": "hello"}]})[0] == 400
        assert post(server, "/v1/messages", {})[0] == 400
        assert post(server, "/v1/embeddings", {})[0] == 404
        unknown = '<<<{0}\n{{"task": {{"name": "Chess", "arguments": {{}}}}, "row": [0], "actions": []}}\n{0}>>>'
        text = unknown.format("0" * 32)
        status, body = post(server, "/v1/messages", {"messages": [{"content": [{"type": "text", "text": text}]}]})
        assert status == 400
        assert "no registered environment has the task 'Chess'" in body["error"]["message"]
        assert server.requests == []


def test_it_listens_on_this_machine_alone() -> None:
    with FakeLLM() as server:
        assert server._server.server_address[0] == "127.0.0.1"
        assert server.base_url("openai") == f"{server.address}/v1"
        assert server.base_url("anthropic") == server.address


def test_closing_waits_for_nobody() -> None:
    questions = Questions(PatternEcho(), SETTINGS)
    question = questions.judge(PatternEcho().instances(1)[0], range(8))
    failed: list[Exception] = []

    def ask(server: FakeLLM) -> None:
        try:
            sent(server, questions, question)
        except (OSError, http.client.HTTPException) as error:
            failed.append(error)

    with FakeLLM(faults=["slow"]) as server:
        thread = threading.Thread(target=ask, args=(server,))
        thread.start()
        while not server.requests:
            time.sleep(0.005)
        began = time.perf_counter()
    assert time.perf_counter() - began < 2.0
    thread.join()
    assert len(failed) == 1


def test_it_serves_until_it_is_stopped() -> None:
    started: SimpleQueue[FakeLLM] = SimpleQueue()
    thread = threading.Thread(target=serve, args=(0, started.put), kwargs={"delay": 0.0})
    thread.start()
    server = started.get(timeout=5)
    assert post(server, "/v1/embeddings", {})[0] == 404
    server.stop()
    thread.join(timeout=5)
    assert not thread.is_alive()
