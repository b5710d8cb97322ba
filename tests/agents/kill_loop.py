"""Kills processes at random moments, each continuing the one before, until enough were killed and one is done."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Work = Callable[[Path], object]
Check = Callable[[Path, bool], list[str]]


def kill_until_done(work: Work, check: Check, folder: Path, n_kills: int, seed: int, share: float) -> None:
    """Prints as JSON how many were killed, how many got to their end, and what was wrong.

    The processes are forked from this one: they start as fresh ones do, but for the time that imports take.

    Args:
        work: begins or continues in a folder.
        check: says what is wrong in a folder after each process; told whether it got to its end.
        folder: where to; `whole` in it is what was never killed.
        n_kills: how many.
        seed: of the moments.
        share: the latest moment, as a share of the time that the whole takes.
    """
    rng = np.random.default_rng(seed)
    begun = time.perf_counter()
    assert _code(_started(work, folder / "whole")) == 0
    seconds = time.perf_counter() - begun
    n_killed, n_completed = 0, 0
    wrong: list[str] = []
    while n_completed == 0 or n_killed < n_kills:
        killed = folder / f"killed-{n_completed}"
        child = _started(work, killed)
        if n_killed < n_kills:
            time.sleep(rng.uniform(0.0, share * seconds))
            os.kill(child, signal.SIGKILL)
        ended = _code(child)
        n_killed += ended == -signal.SIGKILL
        n_completed += ended == 0
        wrong += check(killed, ended == 0)
        if ended not in (0, -signal.SIGKILL):
            wrong.append(f"a process was lost: {ended}")
            break
    json.dump({"killed": n_killed, "completed": n_completed, "wrong": wrong}, sys.stdout)


def _started(work: Work, folder: Path) -> int:
    """A new process that works."""
    child = os.fork()
    if child:
        return child
    try:
        work(folder)
        os._exit(0)
    except BaseException as error:
        sys.stderr.write(repr(error))
        os._exit(1)


def _code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
