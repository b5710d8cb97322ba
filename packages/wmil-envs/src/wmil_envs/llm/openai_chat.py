"""The provider for OpenAI's Chat Completions, and for every server that speaks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wmil_envs.llm.provider import Finish, Prompt
from wmil_envs.llm.sdk_provider import SDKProvider, count

_FINISH: Mapping[Any, Finish] = {"length": "truncated", "content_filter": "refused"}


class OpenAIChat(SDKProvider):
    """Chat Completions with a JSON schema for the reply.

    The schema is a request: not every server keeps it, so the reply is parsed as if there were none. OpenAI's own
    models want `max_completion_tokens`, compatible servers know `max_tokens`.

    The body goes through the SDK's `extra_body`, which takes precedence and is sent as it is. What goes through the
    other arguments is walked through value by value, and messages and schema take as long as the rest of a request.
    """

    address = "https://api.openai.com/v1"
    client_class = "OpenAI"

    def _endpoint(self, client: Any) -> Any:
        return client.chat.completions.with_raw_response.create

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        settings = self.settings
        schema = {"name": prompt.schema_name, "schema": dict(prompt.schema), "strict": True}
        body: dict[str, Any] = {
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            "response_format": {"type": "json_schema", "json_schema": schema},
            "max_completion_tokens" if settings.base_url is None else "max_tokens": settings.max_tokens,
        }
        if settings.temperature is not None:
            body["temperature"] = settings.temperature
        return {"model": settings.model, "messages": (), "extra_body": body}

    def _read(self, reply: Mapping[str, Any]) -> tuple[str, Finish, int | None, int | None]:
        choice = reply["choices"][0]
        message = choice["message"]
        finish = _FINISH.get(choice.get("finish_reason"), "complete")
        text = message.get("content")
        if message.get("refusal"):
            finish, text = "refused", str(message["refusal"])
        if not isinstance(text, str):
            if finish == "complete":
                raise TypeError("no text")
            text = ""
        usage = reply.get("usage") or {}
        return text, finish, count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
