"""Kills a run at random moments until it is done, and tells what was wrong: `FOLDER CASE N_KILLS SEED`."""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

from wmil_agents import newest_valid
from wmil_agents.runs.run import run

CASES = runpy.run_path(str(Path(__file__).with_name("run_cases.py")))


def started(case: str, folder: Path) -> int:
    """A new process that runs, or continues."""
    child = os.fork()
    if child:
        return child
    try:
        run(CASES["settings_of"](case), folder)
        os._exit(0)
    except BaseException as error:
        sys.stderr.write(repr(error))
        os._exit(1)


def code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: Path, case: str, n_kills: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    run(CASES["settings_of"](case), folder / "warm")  # what is imported late is imported once
    begun = time.perf_counter()
    assert code(started(case, folder / "whole")) == 0
    seconds = time.perf_counter() - begun
    n_killed, n_completed = 0, 0
    wrong: list[str] = []
    while n_completed == 0 or n_killed < n_kills:
        killed = folder / f"killed-{n_completed}"
        child = started(case, killed)
        if n_killed < n_kills:
            time.sleep(rng.uniform(0.0, 0.9 * seconds))
            os.kill(child, signal.SIGKILL)
        ended = code(child)
        n_killed += ended == -signal.SIGKILL
        wrong += newest_valid(killed / "checkpoints").skipped
        if ended not in (0, -signal.SIGKILL):
            wrong.append(f"a run was lost: {ended}")
            break
        if ended == 0:
            wrong += CASES["different"](folder / "whole", killed)
            n_completed += 1
    json.dump({"killed": n_killed, "completed": n_completed, "wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    torch.set_num_threads(1)
    where, which, count, seed_of_draws = sys.argv[1:]
    main(Path(where), which, int(count), int(seed_of_draws))
