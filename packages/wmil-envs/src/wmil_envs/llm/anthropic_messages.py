"""The provider for Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wmil_envs.llm.provider import Finish, Prompt
from wmil_envs.llm.sdk_provider import SDKProvider, count

_FINISH: Mapping[Any, Finish] = {
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    "pause_turn": "truncated",
    "refusal": "refused",
}
_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class AnthropicMessages(SDKProvider):
    """Messages with a JSON schema for the reply.

    The SDK rewrites the schema into what the service takes: limits of numbers become part of the descriptions. It knows
    no temperature any more; one that is set is sent all the same, and newer models refuse it.
    """

    address = "https://api.anthropic.com"
    client_class = "Anthropic"

    def _endpoint(self, client: Any) -> Any:
        return client.messages.with_raw_response.create

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        settings = self.settings
        schema = self._sdk().transform_schema(dict(prompt.schema))
        request = {
            "model": settings.model,
            "max_tokens": settings.max_tokens,
            "system": prompt.system,
            "messages": [{"role": "user", "content": prompt.user}],
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
        }
        if settings.temperature is None:
            return request
        return {**request, "extra_body": {"temperature": settings.temperature}}

    def _read(self, reply: Mapping[str, Any]) -> tuple[str, Finish, int | None, int | None]:
        finish = _FINISH.get(reply.get("stop_reason"), "complete")
        blocks = [block["text"] for block in reply["content"] if block["type"] == "text"]
        if not blocks and finish == "complete":
            raise LookupError("no text")
        usage = reply.get("usage") or {}
        counts = [count(usage.get(name)) for name in _INPUT]
        n_input = None if counts[0] is None else sum(one or 0 for one in counts)
        return "".join(blocks), finish, n_input, count(usage.get("output_tokens"))
