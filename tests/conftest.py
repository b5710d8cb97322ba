"""What the tests of both packages share: a lazy parent, programs run in new processes, and who hears Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
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


class ForkServer:
    """Runs programs as `python FILE` does, in processes forked from one that has imported torch: that takes seconds.

    Args:
        folder: for what programs print.
    """

    def __init__(self, folder: Path) -> None:
        program = [sys.executable, str(Path(__file__).with_name("fork_server.py"))]
        self._out, self._err = folder / "out", folder / "err"
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(
        self,
        program: Path,
        *arguments: str,
        folder: Path,
        environment: dict[str, str] | None = None,
        warnings_are_errors: bool = False,
        seconds: int = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in a folder, and wait for it; one that takes longer is killed."""
        asked = {
            "program": str(program),
            "arguments": arguments,
            "folder": str(folder),
            "environment": environment or {},
            "warnings_are_errors": warnings_are_errors,
            "seconds": seconds,
            "out": str(self._out),
            "err": str(self._err),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for place in (self._out, self._err):
            place.write_text("")
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        out, err = (place.read_text(encoding="utf-8") for place in (self._out, self._err))
        return subprocess.CompletedProcess(asked["program"], code, out, err)

    def close(self) -> None:
        """End the process that is forked from."""
        self._process.communicate()


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Runs programs in new processes that need not import torch anew."""
    server = ForkServer(tmp_path_factory.mktemp("fork_server"))
    yield server
    server.close()
