"""Contestants take turns, each in a process of its own with one thread, so that what is compared is of one run."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.peers.installation import absence, last_sentence, python_of

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}
"""The worker confines itself to one core besides, which is what holds JAX's own threads to one."""
SECONDS_A_TURN = 900.0
"""A contestant that answers later is out."""


@dataclass(frozen=True)
class Contestant:
    """A row of a table: who does what, with which settings."""

    name: str
    peer: str
    """Whose environment it runs in."""
    module: str
    """The program, below `benchmarks.peers.contestants`."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """JSON."""
    is_ours: bool = False
    is_short: bool = True
    """Whether it is part of the short form."""
    remark: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a contestant answered, turn by turn, or why it did not."""

    contestant: Contestant
    answers: tuple[dict[str, Any], ...]
    reason: str = ""


def hold(contestants: Iterable[Contestant], requests: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Every contestant answers each request before any comes to the next; one at a time."""
    workers = [Worker(contestant) for contestant in contestants]
    try:
        for request in requests:
            for worker in workers:
                worker.take_turn(request)
        return [Outcome(worker.contestant, tuple(worker.answers), worker.reason) for worker in workers]
    finally:
        for worker in workers:
            worker.close()


class Worker:
    """The process of a contestant: started by its first turn, ended by its first failure."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.answers: list[dict[str, Any]] = []
        self.reason = absence(contestant.peer)
        self._process: subprocess.Popen[str] | None = None
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115  (open as long as the process)

    def take_turn(self, request: Mapping[str, Any]) -> None:
        """Waits for the answer to one request."""
        if self.reason:
            return
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        deadline = threading.Timer(SECONDS_A_TURN, process.kill)
        deadline.start()
        try:
            process.stdin.write(json.dumps(dict(request)) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            deadline.cancel()
        if line:
            self.answers.append(json.loads(line))
        else:
            self.reason = self._last_complaint() or f"no answer within {SECONDS_A_TURN:g} s"
            self.close()

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    _close(stream)
            self._process = None
        self._complaints.close()

    def _start(self) -> subprocess.Popen[str]:
        module = f"benchmarks.peers.contestants.{self.contestant.module}"
        python = python_of(self.contestant.peer)
        self._process = subprocess.Popen(
            [str(python), "-W", "ignore", "-m", "benchmarks.peers.worker", module],
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(dict(self.contestant.arguments)) + "\n")
        return self._process

    def _last_complaint(self) -> str:
        self._complaints.seek(0)
        return last_sentence([line.strip().replace(str(Path.home()), "~") for line in self._complaints])


def _close(stream: Any) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return  # what was still to be written has no reader left
