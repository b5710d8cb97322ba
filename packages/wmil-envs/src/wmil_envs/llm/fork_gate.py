"""A gate that nobody is inside of while the process forks.

Sqlite keeps what it knows of a file's locks in the memory of the process, and a fork copies that but not the locks: a
child that opens a file which was open at the fork waits for locks that nobody holds, or misses ones that somebody does.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

WAIT_SECONDS = 10.0
"""A fork waits no longer for those inside."""


class Closable(Protocol):
    """Something that holds files open."""

    def close(self) -> None:
        """Close what nobody is using."""


class ForkGate:
    """Before a fork it waits until everybody has left, and closes what is registered."""

    def __init__(self) -> None:
        self._registered: weakref.WeakSet[Closable] = weakref.WeakSet()
        self._open()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._shut, after_in_parent=self._let_in, after_in_child=self._open)

    def register(self, closable: Closable) -> None:
        """Have this closed before every fork."""
        with self._changed:
            self._registered.add(closable)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """While files are in use. A thread that is inside already is let in again."""
        mine = self._own
        with self._changed:
            if not mine.depth:
                self._changed.wait_for(lambda: not self._is_shut)
            mine.depth += 1
            self._n_inside += 1
        try:
            yield
        finally:
            with self._changed:
                mine.depth -= 1
                self._n_inside -= 1
                self._changed.notify_all()

    def _shut(self) -> None:
        with self._changed:
            self._is_shut = True
            self._changed.wait_for(lambda: self._n_inside <= self._own.depth, WAIT_SECONDS)
            for closable in list(self._registered):
                closable.close()

    def _let_in(self) -> None:
        with self._changed:
            self._is_shut = False
            self._changed.notify_all()

    def _open(self) -> None:
        """As new: of the threads that were inside or waited, a child has none."""
        self._changed = threading.Condition()
        self._own = _Depth()
        self._n_inside = 0
        self._is_shut = False


class _Depth(threading.local):
    """How often this thread is inside."""

    depth = 0
