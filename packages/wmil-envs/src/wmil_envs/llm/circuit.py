"""The circuit: whether anything is sent to a model at all."""

from __future__ import annotations

import threading

from wmil_envs.llm.errors import CallFailed, CircuitOpen


class Circuit:
    """Closed, until too many questions in a row have failed or somebody opens it; then open for good.

    Args:
        model: whom it leads to.
        failures: in a row that open it.
    """

    def __init__(self, model: str, failures: int) -> None:
        self.model = model
        self.failures = failures
        self._in_a_row = 0
        self._because = ""
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether nothing may be sent any more."""
        return bool(self._because)

    def failure(self) -> CircuitOpen:
        """What a question gets that was not sent."""
        return CircuitOpen(self._because)

    def note(self, failure: CallFailed | None) -> None:
        """Count how a question ended: None for an answer."""
        with self._lock:
            self._in_a_row = 0 if failure is None else self._in_a_row + 1
            is_too_much = self._in_a_row >= self.failures
        if is_too_much:
            self.open(f"{self._in_a_row} questions in a row brought no verdict, the last one because: {failure}")

    def open(self, because: str) -> None:
        """Send nothing any more; the first reason stands."""
        with self._lock:
            self._because = self._because or f"nothing is sent to {self.model} any more: {because}"
