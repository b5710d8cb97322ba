"""Work side by side, each piece in a process of its own: runs, or parts of a study."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from wmil_agents.runs.run import run
from wmil_agents.runs.run_files import FAILURE
from wmil_agents.runs.run_stopped import ComparisonStopped, RunStopped
from wmil_agents.runs.settings import Settings

Stop = Callable[[], str | None]
"""Asked some times a second; returns a reason to stop, if there is one."""
Work = Callable[[Stop], None]
"""What one process does, to be pickled; where it was asked to stop, it raises `RunStopped` or `ComparisonStopped`."""

_SECONDS_BETWEEN_QUESTIONS = 0.2
_INTERRUPTED = 130
_IMPORTED_LATE = ("torch._dynamo",)
"""By torch, when the first optimizer is made: a second of each process, if not done before it is forked."""


@dataclass
class _Running:
    """A process, and where it says how it ended."""

    place: int
    process: BaseProcess
    words: Connection


def run_side_by_side(
    tasks: Sequence[tuple[Settings, Path]],
    n_processes: int,
    on_end: Callable[[int, str | None], None],
    command: Sequence[str] = (),
    stop: Stop | None = None,
) -> str | None:
    """Run all tasks, as `work_side_by_side` does; a run that is asked to stop writes a checkpoint.

    Args:
        tasks: settings and folder of each run.
        n_processes: how many at a time.
        on_end: called with the place of a task that ended, and a sentence if it failed.
        command: the words that started them, for the record.
        stop: asked some times a second.

    Returns:
        The reason for which they were stopped; None if they were not.
    """
    works = [(partial(_run, settings, folder, tuple(command)), folder) for settings, folder in tasks]
    return work_side_by_side(works, n_processes, on_end, stop)


def work_side_by_side(
    tasks: Sequence[tuple[Work, Path]],
    n_processes: int,
    on_end: Callable[[int, str | None], None],
    stop: Stop | None = None,
) -> str | None:
    """Do all tasks, some at a time; one that fails does not stop the others.

    Whatever ends this call early, an interruption for instance, ends the processes first. When this process dies
    without a word, they are asked to stop.

    Args:
        tasks: each with its folder, where the traceback of one that fails is written if the folder is there.
        n_processes: how many at a time.
        on_end: called with the place of a task that ended, and a sentence if it failed.
        stop: asked some times a second; where it returns a reason, every task is asked to stop.

    Returns:
        The reason for which they were stopped; None if they were not.
    """
    context = _context()
    waiting = list(enumerate(tasks))[::-1]
    running: list[_Running] = []
    reason: str | None = None
    try:
        while waiting or running:
            while waiting and len(running) < n_processes:
                place, (work, folder) = waiting.pop()
                words, theirs = context.Pipe()
                process = context.Process(target=_work, args=(work, folder, theirs), daemon=True)
                with _hidden_from_the_keyboard():
                    process.start()
                theirs.close()
                running.append(_Running(place, process, words))
            wait([one.process.sentinel for one in running], None if stop is None else _SECONDS_BETWEEN_QUESTIONS)
            for one in [one for one in running if not one.process.is_alive()]:
                running.remove(one)
                failure = _failure(one)
                if reason is None or failure is None:
                    on_end(one.place, failure)
            if reason is None and stop is not None and (reason := stop()) is not None:
                waiting.clear()
                for one in running:
                    _ask_to_stop(one)
    finally:
        for one in running:
            one.process.terminate()
        for one in running:
            one.process.join()
    return reason


@contextmanager
def _hidden_from_the_keyboard() -> Iterator[None]:
    """A block whose new processes are not told of an interruption, as far as the system can hide it.

    A terminal tells every process at once; who started them should stop them, and they should not speak of it. This
    thread is told after the block.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by new processes
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _context() -> Any:
    """Processes that are forked from one that has imported everything, where there are such; else fresh ones."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *_IMPORTED_LATE])
    return context


def _run(settings: Settings, folder: Path, command: Sequence[str], stop: Stop) -> None:
    run(settings, folder, command=command, stop=stop)


def _work(work: Work, folder: Path, words: Connection) -> None:
    def stop() -> str | None:
        # Also where the other end is gone, since the process that started this one died.
        return "the comparison was stopped" if words.poll() else None

    try:
        (folder / FAILURE).unlink(missing_ok=True)
        work(stop)
    except (KeyboardInterrupt, RunStopped, ComparisonStopped):
        os._exit(_INTERRUPTED)  # the process that started this one says so
    except BaseException as error:
        words.send(" ".join(f"{type(error).__name__}: {error}".split()))
        if folder.is_dir():
            (folder / FAILURE).write_text(traceback.format_exc(), encoding="utf-8")
        sys.exit(1)
    words.send(None)


def _ask_to_stop(one: _Running) -> None:
    try:
        one.words.send("stop")
    except OSError:
        return  # it has ended by itself


def _failure(ended: _Running) -> str | None:
    """A sentence on what went wrong in a process that has ended; None if nothing did."""
    ended.process.join()
    try:
        said: str | None = ended.words.recv()
    except (EOFError, OSError):
        return f"its process ended with code {ended.process.exitcode} before the run did"
    finally:
        ended.words.close()
    return said
