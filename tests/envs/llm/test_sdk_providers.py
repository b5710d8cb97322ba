"""Both providers through their real SDKs: what is sent, where the key goes, what is made of a reply."""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import subprocess
import sys
from email.utils import formatdate
from time import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmil_envs.fake_llm.server import FakeLLM
from wmil_envs.llm.anthropic_messages import AnthropicMessages
from wmil_envs.llm.errors import MalformedReply, MissingKey, MissingSDK, ProviderFault
from wmil_envs.llm.openai_chat import OpenAIChat
from wmil_envs.llm.provider import Completion, Prompt
from wmil_envs.llm.sdk_provider import PLACEHOLDER_KEY, SDKProvider, retry_after
from wmil_envs.llm.settings import LLMSettings

CLASSES: dict[str, type[SDKProvider]] = {"openai": OpenAIChat, "anthropic": AnthropicMessages}


def make(name: str, base_url: str | None = None, **given: Any) -> SDKProvider:
    return CLASSES[name](LLMSettings(provider=name, model="some-model", base_url=base_url, **given))


def a_prompt(make_asker: Any) -> Prompt:
    questions = make_asker("http://127.0.0.1:9").questions
    prompt: Prompt = questions.prompt(questions.judge(questions.task.instances(1)[3], range(8)))
    return prompt


def replying(provider: SDKProvider, body: bytes) -> SDKProvider:
    """The provider, whose requests are answered by this body."""
    provider.prepare()
    provider._create = lambda **_: SimpleNamespace(http_response=SimpleNamespace(content=body))
    return provider


NO_PROMPT = Prompt("", "", {"type": "object"}, "judge")


def test_a_question_makes_its_way_through_the_sdk(provider_name: str, make_asker: Any, sentinel: str) -> None:
    with FakeLLM() as server:
        provider = make(provider_name, server.base_url(provider_name), api_key_env="WMIL_TEST_KEY", temperature=0.5)
        prompt = a_prompt(make_asker)
        completion = provider.complete(prompt, 5.0)
        [request] = server.requests
    assert json.loads(completion.text)["verdicts"][3] == {"action": 3, "goal": 1.0}
    assert (completion.finish, completion.model) == ("complete", "fake-llm")
    assert completion.input_tokens
    assert completion.output_tokens
    assert request.body["model"] == "some-model"
    assert request.body["temperature"] == 0.5
    assert request.body["max_tokens"] == 2_000
    assert request.headers["authorization"] == f"Bearer {sentinel}"
    assert request.headers["accept-encoding"] == "identity"
    if provider_name == "openai":
        assert request.body["messages"] == [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": prompt.user},
        ]
        assert request.body["response_format"]["json_schema"] == {
            "name": "judge",
            "schema": prompt.schema,
            "strict": True,
        }
    else:
        assert request.body["output_config"]["format"]["schema"]["required"] == ["verdicts"]


def test_openai_itself_is_asked_in_its_own_words() -> None:
    body = make("openai")._request(NO_PROMPT)["extra_body"]
    assert body["max_completion_tokens"] == 2_000
    assert "max_tokens" not in body
    assert "temperature" not in body


def test_a_server_that_does_not_count_tokens(provider_name: str, make_asker: Any) -> None:
    with FakeLLM(has_usage=False) as server:
        asker = make_asker(server.base_url(provider_name), provider=provider_name)
        asker.answers([asker.questions.judge(asker.questions.task.instances(1)[0], range(8))])
    [record] = asker.store.records()
    assert (record.input_tokens, record.output_tokens, record.dollars) == (None, None, None)
    assert asker.budget.spent().output_tokens == asker.settings.max_tokens, "what was reserved stands"


def test_importing_the_parts_imports_no_sdk() -> None:
    program = (
        "import sys, wmil_envs.llm.asker, wmil_envs.fake_llm.server\n"
        "heavy = {'openai', 'anthropic', 'httpx2', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_the_sdk_the_error_names_the_command(provider_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, provider_name, None)
    provider = make(provider_name, "http://127.0.0.1:9")
    with pytest.raises(MissingSDK, match=r"pip install 'wmil-envs\[llm\]'"):
        provider.complete(NO_PROMPT, 1.0)


@pytest.mark.parametrize("key", ["", "sk-secret\n", "sk-se cret", "sk-sécret"])
def test_a_key_that_is_none_is_named_by_its_variable_alone(
    provider_name: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = LLMSettings(provider=provider_name, model="m").key_variable
    assert variable is not None
    monkeypatch.setenv(variable, key)
    with pytest.raises(MissingKey, match=f"{variable} holds no API key") as caught:
        make(provider_name).prepare()
    assert "cret" not in str(caught.value)


def test_a_server_on_this_machine_needs_no_key(
    provider_name: str, make_asker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai-only")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-for-anthropic-only")
    with FakeLLM() as server:
        make(provider_name, server.base_url(provider_name)).complete(a_prompt(make_asker), 5.0)
        [request] = server.requests
    assert request.headers["authorization"] == f"Bearer {PLACEHOLDER_KEY}"
    assert "-only" not in str(request.headers)


def test_nothing_else_of_the_environment_goes_to_a_server_of_ones_own(
    provider_name: str, make_asker: Any, sentinel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for vendor in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{vendor}_CUSTOM_HEADERS", "Authorization: Bearer other\nX-Api-Key: other\nX-Other: other")
    monkeypatch.setenv("OPENAI_ORG_ID", "other-organisation")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "other-project")
    with FakeLLM() as server:
        provider = make(provider_name, server.base_url(provider_name), api_key_env="WMIL_TEST_KEY")
        provider.complete(a_prompt(make_asker), 5.0)
        [request] = server.requests
    assert request.headers["authorization"] == f"Bearer {sentinel}"
    assert "other" not in str(dict(request.headers))


def test_no_variable_of_the_environment_sends_the_vendors_key_elsewhere(
    provider_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for vendor in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{vendor}_API_KEY", "sk-something")
        monkeypatch.setenv(f"{vendor}_BASE_URL", "http://127.0.0.1:9/elsewhere")
    provider = make(provider_name)
    provider.prepare()
    assert str(provider._client.base_url).rstrip("/") == provider.address
    assert provider._client.max_retries == 0


def test_the_client_is_dropped_on_copy_and_pickle_and_made_anew_after_a_fork(
    provider_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = make(provider_name, "http://127.0.0.1:9")
    provider.prepare()
    first = provider._client
    provider.prepare()
    assert provider._client is first
    for same in (copy.deepcopy(provider), pickle.loads(pickle.dumps(provider))):
        assert same._client is None
        assert same.settings == provider.settings
    monkeypatch.setattr(os, "getpid", lambda: -1)
    provider.prepare()
    assert provider._client is not first


def test_connections_are_closed_with_the_provider(provider_name: str) -> None:
    provider = make(provider_name, "http://127.0.0.1:9")
    provider.prepare()
    http_client = provider._client._client
    assert not http_client.is_closed
    del provider
    gc.collect()
    assert http_client.is_closed


def test_a_server_that_repeats_the_key_does_not_get_it_into_an_answer(provider_name: str, sentinel: str) -> None:
    text = f"you are {sentinel}"
    openai = {"model": text, "choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    anthropic = {"model": text, "content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
    body = json.dumps(openai if provider_name == "openai" else anthropic).encode()
    provider = make(provider_name, "http://127.0.0.1:9", api_key_env="WMIL_TEST_KEY")
    completion = replying(provider, body).complete(NO_PROMPT, 1.0)
    assert completion == Completion("you are [key]", "complete", "you are [key]", None, None)


@pytest.mark.parametrize(
    ("choice", "finish", "text"),
    [
        ({"message": {"content": "{}"}, "finish_reason": "stop"}, "complete", "{}"),
        ({"message": {"content": "{}"}}, "complete", "{}"),
        ({"message": {"content": "{"}, "finish_reason": "length"}, "truncated", "{"),
        ({"message": {"content": None}, "finish_reason": "length"}, "truncated", ""),
        ({"message": {"content": None}, "finish_reason": "content_filter"}, "refused", ""),
        ({"message": {"content": None, "refusal": "no"}, "finish_reason": "stop"}, "refused", "no"),
    ],
)
def test_how_chat_completions_end(choice: Any, finish: str, text: str) -> None:
    reply = {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": True}}
    assert make("openai")._read(reply) == (text, finish, 7, None)


@pytest.mark.parametrize(
    ("stop_reason", "finish"),
    [
        ("end_turn", "complete"),
        ("max_tokens", "truncated"),
        ("model_context_window_exceeded", "truncated"),
        ("refusal", "refused"),
    ],
)
def test_how_messages_end(stop_reason: str, finish: str) -> None:
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "{"}, {"type": "text", "text": "}"}]
    usage = {"input_tokens": 7, "cache_read_input_tokens": 5, "cache_creation_input_tokens": None, "output_tokens": 2}
    reply = {"content": blocks, "stop_reason": stop_reason, "usage": usage}
    assert make("anthropic")._read(reply) == ("{}", finish, 12, 2)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from(["choices", "message", "content", "refusal", "usage", "finish_reason", "stop_reason", "type"])
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5))


@given(reply=JSON)
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize("name", CLASSES)
def test_any_reply_is_a_completion_or_malformed(name: str, reply: Any) -> None:
    provider = make(name)
    try:
        text, finish, *_ = provider._read(reply)
    except (LookupError, TypeError, AttributeError):
        return  # what the next test shows to become a MalformedReply
    assert isinstance(text, str)
    assert finish in ("complete", "truncated", "refused")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"choices": [{}]}', b'{"content": [7]}']
)
def test_what_is_no_reply_at_all_is_malformed(provider_name: str, body: bytes) -> None:
    provider = replying(make(provider_name, "http://127.0.0.1:9"), body)
    with pytest.raises(MalformedReply, match=f"no reply of {provider_name}") as caught:
        provider.complete(NO_PROMPT, 5.0)
    assert caught.value.__context__ is None
    assert len(str(caught.value)) < 500


def test_whatever_else_the_sdk_raises_becomes_a_fault(provider_name: str) -> None:
    provider = make(provider_name, "http://127.0.0.1:9")
    provider.prepare()

    def breaks(**_: Any) -> Any:
        raise AttributeError("'NoneType' object has no attribute 'choices'")

    provider._create = breaks
    with pytest.raises(ProviderFault, match="failed before a reply: AttributeError") as caught:
        provider.complete(NO_PROMPT, 1.0)
    assert (caught.value.is_transient, caught.value.__context__) == (False, None)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [({}, None), ("0.2", 0.2), ("500", 500.0), ("-3", 0.0), ("nan", None), ("inf", None), ("soon", None)],
)
def test_retry_after(given: Any, seconds: float | None) -> None:
    assert retry_after({"retry-after": given} if given else {}) == seconds


def test_retry_after_may_be_a_date() -> None:
    assert retry_after({"retry-after": formatdate(time() + 30, usegmt=True)}) == pytest.approx(30, abs=2)
    assert retry_after({"retry-after": formatdate(time() - 30, usegmt=True)}) == 0.0
