"""The contract of a provider: one attempt at one prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

Finish = Literal["complete", "truncated", "refused"]


class Prompt(NamedTuple):
    """What is sent."""

    system: str
    """Who the model is and how it must reply."""
    user: str
    """The question, its data between fences."""
    schema: Mapping[str, Any]
    """The JSON schema of the reply."""
    schema_name: str
    """Its name, where a provider wants one."""


class Completion(NamedTuple):
    """What came back."""

    text: str
    """The reply, unparsed."""
    finish: Finish
    """Why it ended."""
    model: str
    """The model that says it answered; empty where it does not say."""
    input_tokens: int | None
    """None where the server does not count."""
    output_tokens: int | None
    """None where the server does not count."""


class Provider(Protocol):
    """One vendor's wire format, through its own SDK, without the SDK's retries.

    The client is made in the process that uses it, and is dropped on pickle and deepcopy.
    """

    def prepare(self) -> None:
        """Make the client, unless this process has it. Nothing is sent.

        Raises:
            MissingSDK, MissingKey: it cannot be made.
        """

    def complete(self, prompt: Prompt, seconds: float) -> Completion:
        """One attempt, over after `seconds` at the latest; the client is made first, where `prepare` was not called.

        Raises:
            ProviderFault: the service or the network failed.
            MalformedReply: a reply that is not in the provider's own format.
            DeadlineExceeded: no reply in time.
            MissingSDK, MissingKey: no client could be made; nothing was sent.
        """
