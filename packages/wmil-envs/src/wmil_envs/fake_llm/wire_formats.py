"""How the two vendors write requests, replies and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wmil_envs.llm.provider import Finish


class Reply(NamedTuple):
    """What a model said."""

    text: str
    finish: Finish
    model: str
    input_tokens: int
    output_tokens: int


class WireFormat(NamedTuple):
    """One vendor's."""

    envelope: Callable[[Reply, bool], dict[str, Any]]
    """A reply as the vendor sends it, with or without its usage."""
    empty: Mapping[str, Any]
    """What an envelope holds instead where nothing was said."""
    error: Callable[[int, str], dict[str, Any]]
    """The body of an error."""


def prompt_text(request: Mapping[str, Any]) -> str:
    """The last message of a request in either format."""
    content = request["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _openai_envelope(reply: Reply, has_usage: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.finish == "refused":
        message.update(content=None, refusal=reply.text)
    finish = "length" if reply.finish == "truncated" else "stop"
    envelope = {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 0,
        "model": reply.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
    }
    usage = {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
    return {**envelope, "usage": usage} if has_usage else envelope


def _anthropic_envelope(reply: Reply, has_usage: bool) -> dict[str, Any]:
    stop = {"complete": "end_turn", "truncated": "max_tokens", "refused": "refusal"}[reply.finish]
    envelope = {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [] if reply.finish == "refused" else [{"type": "text", "text": reply.text}],
        "stop_reason": stop,
        "stop_sequence": None,
    }
    usage = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
    return {**envelope, "usage": usage} if has_usage else envelope


def _openai_error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "fake_error", "param": None, "code": str(status)}}


def _anthropic_error(status: int, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": f"fake_error_{status}", "message": message}}


WIRE_FORMATS: Mapping[str, WireFormat] = {
    "/v1/chat/completions": WireFormat(_openai_envelope, {"choices": []}, _openai_error),
    "/v1/messages": WireFormat(_anthropic_envelope, {"content": []}, _anthropic_error),
}
"""By the path of the request."""
