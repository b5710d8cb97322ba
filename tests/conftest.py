"""What the tests of both packages share: a lazy parent that judges by the rule, and who hears Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wmil_envs.parent import LIVE, UNJUDGED, Verdicts
from wmil_envs.parents.rule import RuleParent
from wmil_envs.task import Actions, States, Task

if threading.current_thread() is threading.main_thread():
    # A shell starts its background jobs deaf to SIGINT, and so would be the programs that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

Which = Callable[[States, Actions], np.ndarray]


class LazyRule(RuleParent):
    """The rule, asked pair by pair.

    Args:
        task: whose rule it is.
        sets_following: whether the verdicts say what follows.
        whole: whether all actions of an instance are asked about together.
        fails: says for which rows there is no verdict of its own; `source` stands there instead.
        source: `UNJUDGED`, or `FALLBACK` with the rule's verdict turned round so that it can be told apart.
        consistency: the judge's own, the same for every pair.
    """

    def __init__(
        self,
        task: Task,
        *,
        sets_following: bool = False,
        whole: bool = False,
        fails: Which | None = None,
        source: int = UNJUDGED,
        consistency: float | None = None,
    ) -> None:
        super().__init__(task)
        self.sets_following, self.asks_whole_instances = sets_following, whole
        self.fails, self.source, self.consistency = fails, source, consistency
        self.may_leave_unjudged = fails is not None and source == UNJUDGED
        self.judges_consistency = consistency is not None
        self.asked: list[tuple[tuple[int, ...], int]] = []
        """Every pair, in the order of the questions."""
        self.n_calls = 0

    def verdicts(self, states: States, actions: Actions) -> Verdicts:
        self.n_calls += 1
        self.asked += list(zip(map(tuple, states.tolist()), actions.tolist(), strict=True))
        scores, sources = self.judge(states, actions), np.full(len(actions), LIVE, dtype=np.uint8)
        if self.fails is not None:
            failed = self.fails(states, actions)
            sources[failed] = self.source
            scores[failed] = np.nan if self.source == UNJUDGED else 1.0 - scores[failed]
        return Verdicts(
            scores,
            sources,
            None if self.consistency is None else np.full(len(actions), self.consistency),
            self.transition(states, actions) if self.sets_following else None,
        )

    def specification(self) -> dict[str, Any]:
        return {"kind": "lazy rule"}


@pytest.fixture
def lazy_rule() -> type[LazyRule]:
    """The class of a lazy parent."""
    return LazyRule
