"""Does surgery help, or harm, a learner that has nothing wrong with it? Writes the documentation's table.

Every surgeon operates on every learner over the same seeds, with equal evaluations an operation, beside runs without
any. An edit is kept by mistake if it changes the exact success over the whole world by 0 or less.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from wmil_agents.studies.learner_cases import ARMS, LEARNERS, N_EDITS, LearnerCase
from wmil_agents.studies.learner_run import NOBODY, THRESHOLD, LearnerRun, run_learner
from wmil_agents.studies.learner_table import HEADER, FalseKeeps, learner_rows
from wmil_agents.surgeons.keep_rule import KeepRule

ALL_ARMS = (NOBODY, *ARMS)
TABLE = Path(__file__).parents[2] / "docs" / "tables" / "surgery_of_learners.md"
Found = dict[tuple[int, str, int], LearnerRun]
"""By number of the learner, arm and seed."""


def one(number: int, arm: str, seed: int) -> LearnerRun:
    """One run, in a process with one thread."""
    torch.set_num_threads(1)
    return run_learner(LEARNERS[number], arm, seed)


def remark(case: LearnerCase, runs: dict[str, list[LearnerRun]]) -> str:
    """What the table has no column for: kept edits on the items that nobody saw."""
    all_runs = [run for of_arm in runs.values() for run in of_arm]
    counted = FalseKeeps.of(all_runs)
    if counted.n_false_unseen is None:
        return f"{case.name}: surgeon and rule see all items."
    kept = [change for run in all_runs for change in run.changes if change.kept]
    whole, unseen = (np.mean([getattr(change, name) for change in kept]) for name in ("whole", "unseen"))
    return (
        f"{case.name}: the {counted.n_kept} kept edits change the exact success by {whole:+.4f} in the mean, on the "
        f"items that neither surgeon nor rule saw by {unseen:+.4f}; there {counted.n_false_unseen} did no good, "
        f"{counted.n_false_unseen / counted.n_operations:.1%} of all operations."
    )


def measured(n_seeds: int, n_processes: int) -> Found:
    """All runs."""
    jobs = [(number, arm, seed) for number in range(len(LEARNERS)) for seed in range(n_seeds) for arm in ALL_ARMS]
    if n_processes == 1:
        runs = [one(*job) for job in jobs]
    else:
        with get_context("spawn").Pool(n_processes) as pool:
            runs = pool.starmap(one, jobs, chunksize=len(ALL_ARMS))
    return dict(zip(jobs, runs, strict=True))


def text(found: Found, n_seeds: int, command: str) -> str:
    """The table, and what its figures are."""
    rows, remarks = [HEADER, ("---",) * len(HEADER)], []
    for number, case in enumerate(LEARNERS):
        of_case = {arm: [found[number, arm, seed] for seed in range(n_seeds)] for arm in ALL_ARMS}
        rows += learner_rows(case, of_case)
        remarks.append(remark(case, of_case))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + (
        f"\n\nMeans of {n_seeds} seeds with 95 % intervals; the differences are to no surgeon, seed by seed, with "
        f"bootstrap intervals. Steps to {THRESHOLD:.0%} exact success: median, and how many runs got there. An "
        f"operation costs {N_EDITS} evaluations (the gradient 3); an edit is kept at the level {KeepRule().alpha}; "
        "harmful are edits that change the exact success over all items by 0 or less, kept or not. "
        f"{' '.join(remarks)} Written by `{command}`.\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs, writes, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="runs of each learner and surgeon (default 20)")
    parser.add_argument("--processes", type=int, default=1, help="processes to share them among (default 1)")
    parser.add_argument("--table", type=Path, default=TABLE, help="file to write to")
    chosen = parser.parse_args(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks.learning.surgery_of_learners", *words])
    written = text(measured(chosen.seeds, chosen.processes), chosen.seeds, command)
    chosen.table.parent.mkdir(parents=True, exist_ok=True)
    chosen.table.write_text(written, encoding="utf-8")
    print(written)


if __name__ == "__main__":
    main()
