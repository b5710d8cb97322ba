"""Which failures are worth another try, and when."""

from __future__ import annotations

import random

from wmil_envs.llm.errors import CallFailed, MalformedReply, ProviderFault

MALFORMED_ATTEMPTS = 2
"""Tries of a question whose replies are malformed: a second reply may be better, a third one rarely is."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0

_JITTER = random.SystemRandom()  # of pauses alone: nothing that can be learnt depends on it


def pause_after(failure: CallFailed, attempt: int) -> float | None:
    """Seconds before the next try, None where there should be none.

    Pauses double from `FIRST_PAUSE` to `LONGEST_PAUSE`, each cut to between a half and all of itself, so that those who
    failed together do not come back together. A server that says how long to wait is obeyed.

    Args:
        failure: how the last attempt ended.
        attempt: its number, from 1.
    """
    if isinstance(failure, MalformedReply):
        return 0.0 if attempt < MALFORMED_ATTEMPTS else None
    if not isinstance(failure, ProviderFault) or not failure.is_transient:
        return None
    if failure.retry_after is not None:
        return failure.retry_after
    return min(FIRST_PAUSE * 2.0 ** (attempt - 1), LONGEST_PAUSE) * _JITTER.uniform(0.5, 1.0)


def out_of_time(failure: CallFailed, pause: float, deadline: float) -> CallFailed:
    """The failure of a question whose deadline leaves no time for the pause before the next try."""
    if not isinstance(failure, ProviderFault):
        return failure
    why = "the server asks to wait" if failure.retry_after is not None else "the next attempt would be in"
    message = f"{failure.message}; {why} {pause:.3g} s, which the deadline of {deadline:.3g} s forbids"
    return ProviderFault(message, failure.status, failure.retry_after, failure.is_transient)
