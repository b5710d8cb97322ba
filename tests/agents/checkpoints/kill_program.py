"""Kills learning processes at random moments until one is done, and tells what is wrong: FOLDER NAME N_KILLS SEED."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

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
kill_until_done = runpy.run_path(str(Path(__file__).parents[1] / "kill_loop.py"))["kill_until_done"]


def learn(folder: Path, name: str) -> None:
    """Learns to the end, from the newest checkpoint if there is one."""
    model = SCENARIOS[name]()
    rows = record_metrics(model)
    callback = ExactCheckpointCallback(folder / "checkpoints", INTERVAL, keep_last=KEPT)
    newest = newest_valid(folder / "checkpoints").folder
    if newest is None:
        model.learn(TOTAL, callback)
    else:
        continue_learning(model, restore_checkpoint(newest, model), callback)
    # The last rollout is there only where it was learnt from, and that may have been before the kill.
    write_state(folder / "final", fingerprint(model, rows) | {"metrics": None, "rollout": None})


def main(folder: Path, name: str, n_kills: int, seed: int) -> None:
    last_step = -1

    def check(killed: Path, is_done: bool) -> list[str]:
        nonlocal last_step
        found = newest_valid(killed / "checkpoints")
        wrong = list(found.skipped)
        step = -1 if found.manifest is None or found.manifest.step is None else found.manifest.step
        if step < last_step:
            wrong.append(f"went back from step {last_step} to {step}")
        last_step = -1 if is_done else step
        if is_done:
            whole, final = (read_state(each / "final")[0] for each in (folder / "whole", killed))
            # Spaces that nobody samples from are seeded by the operating system where a run begins.
            wrong += [path for path in differences(whole, final) if "spaces" not in path]
            left = [path.name for path in (killed / "checkpoints").iterdir()]
            if len(left) != KEPT:
                wrong.append(f"left behind: {left}")
        return wrong

    kill_until_done(lambda where: learn(where, name), check, folder, n_kills, seed, share=0.4)


if __name__ == "__main__":
    torch.set_num_threads(1)
    where, which, count, seed_of_draws = sys.argv[1:]
    main(Path(where), which, int(count), int(seed_of_draws))
