"""Which theaters are open, and in which order they may open and close."""

from __future__ import annotations

from threading import Lock, get_ident

LOCK = Lock()


class Session:
    """One use of a theater.

    Args:
        things: identities of the modules and parameters that it may change.
        thread: the one that opened it.
    """

    __slots__ = ("things", "thread")

    def __init__(self, things: frozenset[int], thread: int) -> None:
        self.things = things
        self.thread = thread

    def shares(self, other: Session) -> bool:
        """Whether both may change the same."""
        return not self.things.isdisjoint(other.things)


_OPEN: list[Session] = []
"""The open ones of this process, the first opened first."""


def opened(things: frozenset[int]) -> Session:
    """A new session, which is now open; for a caller that holds `LOCK`.

    Raises:
        RuntimeError: another thread operates on the same model.
    """
    session = Session(things, get_ident())
    for other in _OPEN:
        if other.thread != session.thread and session.shares(other):
            raise RuntimeError("another thread is operating on this model: give each thread a copy of its own")
    _OPEN.append(session)
    return session


def check_may_close(session: Session) -> None:
    """Checks that a session may close now. What other threads open or close meanwhile makes no difference.

    Raises:
        RuntimeError: others on the same model were opened later and still are.
    """
    if _OPEN[-1] is session:
        return
    with LOCK:
        later = _OPEN[_OPEN.index(session) + 1 :]
    if any(map(session.shares, later)):
        raise RuntimeError("a theater that was opened later on the same model is still open: close that one first")


def close(session: Session) -> None:
    """Takes a session from the open ones; for a caller that holds `LOCK`."""
    _OPEN.remove(session)
