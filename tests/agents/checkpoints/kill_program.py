"""Kills learning processes at random moments, each continuing the one before, and says what was left of it.

`FOLDER NAME N_KILLS SEED`. The processes are forked from this one, which has never learnt: they start as fresh ones do,
but for the time that imports take. Prints JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
from fingerprint import differences, fingerprint, record_metrics
from scenarios import SCENARIOS

from wmil_agents import (
    ExactCheckpointCallback,
    continue_learning,
    newest_valid,
    read_state,
    restore_checkpoint,
    write_state,
)

TOTAL, INTERVAL, KEPT = 400, 20, 2


def run(folder: Path, name: str) -> None:
    """Learns to the end, from the newest checkpoint if there is one."""
    model = SCENARIOS[name]()
    rows = record_metrics(model)
    callback = ExactCheckpointCallback(folder / "checkpoints", INTERVAL, keep_last=KEPT)
    newest = newest_valid(folder / "checkpoints").folder
    if newest is None:
        model.learn(TOTAL, callback)
    else:
        continue_learning(model, restore_checkpoint(newest, model), callback)
    write_state(folder / "final", fingerprint(model, rows) | {"metrics": None})


def started(folder: Path, name: str) -> int:
    """A new process that runs."""
    child = os.fork()
    if child:
        return child
    try:
        run(folder, name)
        os._exit(0)
    except BaseException as error:
        sys.stderr.write(repr(error))
        os._exit(1)


def finished(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def main(folder: Path, name: str, n_kills: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    begun = time.perf_counter()
    assert finished(started(folder / "whole", name))
    seconds = time.perf_counter() - begun
    whole, _ = read_state(folder / "whole" / "final")
    n_killed, n_completed, last_step = 0, 0, -1
    wrong: list[str] = []
    while n_completed == 0 or n_killed < n_kills:
        run_folder = folder / f"killed-{n_completed}"
        child = started(run_folder, name)
        if n_killed < n_kills:
            time.sleep(rng.uniform(0.0, 0.4 * seconds))
            os.kill(child, signal.SIGKILL)
        is_done = finished(child)
        n_killed += not is_done
        found = newest_valid(run_folder / "checkpoints")
        wrong += found.skipped
        step = -1 if found.manifest is None or found.manifest.step is None else found.manifest.step
        if step < last_step:
            wrong.append(f"went back from step {last_step} to {step}")
        last_step = step
        if is_done:
            killed, _ = read_state(run_folder / "final")
            # Spaces that nobody samples from are seeded by the operating system where a run begins.
            wrong += [path for path in differences(whole, killed) if "spaces" not in path]
            left = [path.name for path in (run_folder / "checkpoints").iterdir()]
            if len(left) != KEPT:
                wrong.append(f"left behind: {left}")
            n_completed, last_step = n_completed + 1, -1
    json.dump({"killed": n_killed, "completed": n_completed, "wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    torch.set_num_threads(1)
    where, which, count, seed_of_draws = sys.argv[1:]
    main(Path(where), which, int(count), int(seed_of_draws))
