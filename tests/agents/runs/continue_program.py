"""Begins runs and stops them, or continues them in another process: `begin|continue FOLDER CASE...`."""

from __future__ import annotations

import contextlib
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

from wmil_agents.runs.run import run
from wmil_agents.runs.run_stopped import RunStopped

CASES = runpy.run_path(str(Path(__file__).with_name("run_cases.py")))


def at_rollout(number: int) -> Callable[[], str | None]:
    """Asks to stop at the start of the so many-th rollout, counted from 0."""
    rollouts = iter(range(number + 1))
    return lambda: "asked" if next(rollouts) == number else None


def begin(folder: Path, case: str) -> list[str]:
    settings = CASES["settings_of"](case)
    run(settings, folder / case / "whole")
    for place in (1, 2):
        try:
            run(settings, folder / case / f"stopped-{place}", stop=at_rollout(place))
        except RunStopped as stopped:
            if not 0 < stopped.step < settings.total_steps:
                return [f"stopped at {stopped.step}"]
        else:
            return ["it was not stopped"]
    return []


def go_on(folder: Path, case: str) -> list[str]:
    """Continues one run to its end, and the other one with a stop at its next rollout."""
    settings, wrong = CASES["settings_of"](case), []
    for place in (1, 2):
        stopped, notices = folder / case / f"stopped-{place}", list[str]()
        if place == 2:
            with contextlib.suppress(RunStopped):
                run(settings, stopped, stop=at_rollout(1))
        result = run(settings, stopped, notice=notices.append)
        wrong += CASES["different"](folder / case / "whole", stopped)
        wrong += [] if any(one.startswith("continued from step") for one in notices) else notices
        again = run(settings, stopped)
        wrong += [] if repr(again.history) == repr(result.history) and again.verdict == result.verdict else ["result"]
        wrong += json.loads((stopped / "DONE.json").read_text())["inexact"]
    return wrong


if __name__ == "__main__":
    what, where, *names = sys.argv[1:]
    told = {name: {"begin": begin, "continue": go_on}[what](Path(where), name) for name in names}
    json.dump(told, sys.stdout)
