"""Everything that can go wrong between a question and its verdict, as small errors that cross process borders.

They carry text and numbers only: never the SDK's own exception, whose pickles and tracebacks hold the API key. Raise
them `from None`.
"""

from __future__ import annotations


class ParentError(RuntimeError):
    """No verdict. Its text says what happened and what to do; it pickles, and holds no secret."""


class MissingSDK(ParentError):
    """The provider's SDK is not installed."""


class MissingKey(ParentError):
    """The environment variable that should hold the API key does not."""


class BudgetExceeded(ParentError):
    """The next call would cost more than what was allowed; nothing was sent."""


class NotRecorded(ParentError):
    """A question that the store does not hold, in replay mode; the text shows it."""


class StoreError(ParentError):
    """The store could not be read or written: a full disk, a file that is no store."""


class CallFailed(ParentError):
    """A question that got no usable verdict, after all attempts. The subclasses say why."""


class CircuitOpen(CallFailed):
    """The provider failed too often in a row, or a canary was given full marks; nothing was sent."""


class ProviderFault(CallFailed):
    """The service or the network failed.

    Args:
        message: what happened, in a sentence.
        status: the HTTP status; None where no response came.
        retry_after: seconds that the service asked to wait; None where it did not.
        is_transient: whether the same call may succeed later.
    """

    def __init__(
        self, message: str, status: int | None = None, retry_after: float | None = None, is_transient: bool = False
    ) -> None:
        super().__init__(message, status, retry_after, is_transient)
        self.message, self.status, self.retry_after, self.is_transient = message, status, retry_after, is_transient

    def __str__(self) -> str:
        return self.message


class DeadlineExceeded(CallFailed):
    """The question was not answered within its deadline, all attempts and pauses included."""


class Refused(CallFailed):
    """The model declined to answer."""


class Truncated(CallFailed):
    """The reply ended before it was complete."""


class MalformedReply(CallFailed):
    """A reply that is not what was asked for: no JSON, another schema, a score outside [0, 1]."""
