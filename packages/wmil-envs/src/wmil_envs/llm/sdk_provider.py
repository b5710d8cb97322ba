"""What both providers share: an SDK client for each process, a hard end of each attempt, errors without secrets."""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Any, ClassVar
from urllib.parse import urlsplit

from wmil_envs.llm.errors import CallFailed, DeadlineExceeded, MalformedReply, MissingKey, MissingSDK, ProviderFault
from wmil_envs.llm.provider import Completion, Finish, Prompt
from wmil_envs.llm.settings import LOOPBACK, LLMSettings

PLACEHOLDER_KEY = "no-key"
"""Sent to a server on this machine for which no key was named: the SDKs want one."""
_GRACE = 0.05
"""Seconds that the SDK's own time limits have to end an attempt before it is left to itself."""
_LONGEST_MESSAGE = 300
_ADVICE = {
    400: "the server does not take this request: see whether the model knows JSON schemas, and temperature if set",
    401: "see whether the key in {key} is the right one",
    403: "the key in {key} may not use this model",
    404: "see whether the model's name and base_url are right",
    422: "the server does not take this request: see whether the model knows JSON schemas",
}


class SDKProvider(ABC):
    """One attempt at a time through the SDK that has the provider's name.

    The client is made at the first use in each process; a copy or a pickle holds the settings alone. The SDK's retries
    are off, redirects are not followed, and whatever the SDK raises becomes one of our errors, without its cause: an
    SDK's error holds the request, and with it the key.
    """

    address: ClassVar[str]
    """The vendor's own server. Named by us, so that no variable of the environment sends the key elsewhere."""
    client_class: ClassVar[str]
    """What the SDK calls its client."""

    def __init__(self, settings: LLMSettings) -> None:
        self.settings = settings
        self._client: Any = None
        self._create: Any = None
        self._pid: int | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.settings,)

    @property
    def server(self) -> str:
        """Where it sends to."""
        return self.settings.base_url or self.address

    def prepare(self) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._client = self._new_client()
                self._create = self._endpoint(self._client)
                self._pid = os.getpid()

    def complete(self, prompt: Prompt, seconds: float) -> Completion:
        self.prepare()
        outcome = _within(seconds + _GRACE, lambda: self._attempt(prompt, seconds))
        if outcome is None:
            outcome = DeadlineExceeded(f"{self.server} did not reply within {seconds:.3g} s")
        if isinstance(outcome, CallFailed):
            raise outcome
        return outcome

    @abstractmethod
    def _endpoint(self, client: Any) -> Any:
        """What makes a request; the SDK imports it at the first use, which takes its time."""

    @abstractmethod
    def _request(self, prompt: Prompt) -> dict[str, Any]:
        """The arguments of the endpoint."""

    @abstractmethod
    def _read(self, reply: Mapping[str, Any]) -> tuple[str, Finish, int | None, int | None]:
        """Text, why it ended, input tokens, output tokens; a LookupError or TypeError where the format is another."""

    def _new_client(self) -> Any:
        sdk, guarded_http = self._sdk(), _imported("wmil_envs.llm.guarded_http", self.settings.provider)
        key = _api_key(self.settings)
        is_local = urlsplit(self.server).hostname in LOOPBACK
        http_client = guarded_http.guarded_client(
            key, is_own_server=self.settings.base_url is not None, is_local=is_local
        )
        weakref.finalize(self, http_client.close)
        make = getattr(sdk, self.client_class)
        return make(api_key=key, base_url=self.server, max_retries=0, http_client=http_client)

    def _sdk(self) -> Any:
        return _imported(self.settings.provider, self.settings.provider)

    def _attempt(self, prompt: Prompt, seconds: float) -> Completion | CallFailed:
        """What came of one request: errors are returned, not raised, so that no traceback leads to the request."""
        sdk = self._sdk()
        try:
            body = self._create(**self._request(prompt), timeout=seconds).http_response.content
        except Exception as error:
            return self._failure(error, sdk)
        try:
            reply = json.loads(body)
            text, finish, input_tokens, output_tokens = self._read(reply)
            model = reply.get("model")
        except Exception as error:
            start = self._clean(body[:200].decode("utf-8", "replace"))
            return MalformedReply(
                f"{self.server} replied with something that is no reply of {self.settings.provider} "
                f"({type(error).__name__}): {start!r}"
            )
        return Completion(
            self._redacted(text),
            finish,
            self._clean(model) if isinstance(model, str) else "",
            input_tokens,
            output_tokens,
        )

    def _failure(self, error: Exception, sdk: Any) -> CallFailed:
        from wmil_envs.llm.guarded_http import UnacceptableResponse

        cause = error.__cause__ or error
        if isinstance(error, sdk.APITimeoutError):
            return DeadlineExceeded(f"{self.server} did not reply in time")
        if isinstance(error, sdk.APIStatusError):
            return self._status_fault(error)
        if isinstance(cause, UnacceptableResponse):
            return ProviderFault(f"{self.server}: {cause}")
        if isinstance(error, sdk.APIConnectionError):
            what = self._clean(f"{type(cause).__name__}: {cause}")
            return ProviderFault(f"no connection to {self.server}, or it broke ({what})", is_transient=True)
        return ProviderFault(f"{self.settings.provider} failed before a reply: {self._clean(repr(error))}")

    def _status_fault(self, error: Any) -> ProviderFault:
        status = int(error.status_code)
        message = self._clean(_words(error.body))
        advice = _ADVICE.get(status, "").format(key=self.settings.key_variable or "the environment")
        is_transient = status in (408, 409, 429) or status >= 500
        if "insufficient_quota" in message or getattr(error, "code", None) == "insufficient_quota":
            is_transient, advice = False, "the account has no credit left"
        if 300 <= status < 400:
            advice = "redirects are not followed, so that no key goes to another server; give the final address"
        return ProviderFault(
            f"{self.server} answered {status}: {message}" + (f" ({advice})" if advice else ""),
            status,
            retry_after(error.response.headers),
            is_transient,
        )

    def _redacted(self, text: str) -> str:
        key = self._client.api_key
        return text if key == PLACEHOLDER_KEY else text.replace(key, "[key]")

    def _clean(self, text: str) -> str:
        """A server's words in one of our messages: short, printable, without the key."""
        words = "".join(letter if letter.isprintable() else " " for letter in self._redacted(text))
        return words if len(words) <= _LONGEST_MESSAGE else words[:_LONGEST_MESSAGE] + "..."


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait, from `Retry-After` (seconds or a date); None where it does not say."""
    given = headers.get("retry-after")
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(given).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None


def _words(body: Any) -> str:
    """What a server says in the body of an error, in whatever form."""
    inner = body.get("error", body) if isinstance(body, dict) else body
    message = inner.get("message", inner) if isinstance(inner, dict) else inner
    return message if isinstance(message, str) else "" if message is None else json.dumps(message, default=str)


def count(value: Any) -> int | None:
    """A number of tokens, None where a server sent something else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _within(seconds: float, call: Callable[[], Completion | CallFailed]) -> Completion | CallFailed | None:
    """What the call returns, or None if that takes longer.

    The SDK's time limits hold for each read, so a server that sends a byte now and then could keep a call for ever; and
    looking up an address has no limit at all. Such a call is left to itself, in a thread that nobody waits for.
    """
    outcome: SimpleQueue[Completion | CallFailed] = SimpleQueue()
    threading.Thread(target=lambda: outcome.put(call()), daemon=True).start()
    try:
        return outcome.get(timeout=seconds)
    except Empty:
        return None


def _imported(module: str, provider: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        pass
    raise MissingSDK(f"a parent of the provider {provider!r} needs its SDK: pip install 'wmil-envs[llm]'")


def _api_key(settings: LLMSettings) -> str:
    name = settings.key_variable
    if name is None:
        return PLACEHOLDER_KEY
    if problem := _problem(os.environ.get(name, "")):
        raise MissingKey(f"the environment variable {name} {problem}; set it, or name another one with api_key_env")
    return os.environ[name]


def _problem(key: str) -> str:
    if not key:
        return "holds no API key"
    if not key.isascii() or not key.isprintable() or " " in key:
        return "holds no API key: there are blanks, line breaks or letters in it that no key has"
    return ""
