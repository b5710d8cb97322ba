"""Kills a run at random moments until it is done, and tells what was wrong: `FOLDER CASE N_KILLS SEED`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import torch

from wmil_agents import newest_valid
from wmil_agents.runs.run import run

CASES = runpy.run_path(str(Path(__file__).with_name("run_cases.py")))
kill_until_done = runpy.run_path(str(Path(__file__).parents[1] / "kill_loop.py"))["kill_until_done"]


def main(folder: Path, case: str, n_kills: int, seed: int) -> None:
    def work(run_folder: Path) -> None:
        run(CASES["settings_of"](case), run_folder)

    def check(killed: Path, is_done: bool) -> list[str]:
        wrong = list(newest_valid(killed / "checkpoints").skipped)
        return wrong + (CASES["different"](folder / "whole", killed) if is_done else [])

    work(folder / "warm")  # what is imported late is imported once
    kill_until_done(work, check, folder, n_kills, seed, share=0.9)


if __name__ == "__main__":
    torch.set_num_threads(1)
    where, which, count, seed_of_draws = sys.argv[1:]
    main(Path(where), which, int(count), int(seed_of_draws))
