"""When has a learner reached 95 % exact success on PatternEcho, in steps and in its own CPU seconds?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_SYMBOLS = 8
THRESHOLD = 0.95


class Stopwatch:
    """Asks the learner for its action probabilities now and then; the time that asking takes is not counted.

    Time runs from the first look on, when the learner is built and its first rollout is about to begin.

    Args:
        probabilities: gives pi(a | symbol), (symbols, actions), of the policy as it is now.
    """

    def __init__(self, probabilities: Callable[[], NDArray[Any]]) -> None:
        self._probabilities = probabilities
        self._start: float | None = None
        self._spent_asking = 0.0
        self.steps: int | None = None
        self.seconds: float | None = None
        self.success = 0.0

    def look(self, steps_taken: int) -> bool:
        """Whether `THRESHOLD` is reached, now or before."""
        if self.steps is None:
            now = time.process_time()
            self._start = now if self._start is None else self._start
            self.success = float(np.diagonal(self._probabilities()).mean())
            if self.success >= THRESHOLD:
                self.steps, self.seconds = steps_taken, now - self._start - self._spent_asking
            self._spent_asking += time.process_time() - now
        return self.steps is not None

    def answer(self) -> dict[str, Any]:
        """What a contestant tells; `seconds` of one that never got there are all that it spent."""
        assert self._start is not None
        spent = time.process_time() - self._start - self._spent_asking
        seconds = spent if self.seconds is None else self.seconds
        return {"steps": self.steps, "seconds": seconds, "success": self.success}
