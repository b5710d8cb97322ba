"""Carries out a study of repairs, each seed in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from wmil_agents.runs.processes import Stop, work_side_by_side
from wmil_agents.runs.run_stopped import ComparisonStopped
from wmil_agents.studies.repair.operation import repair_with_seed
from wmil_agents.studies.repair.plan import Plan
from wmil_agents.studies.repair.result import ArmResult, RepairResult

OnSeedEnd = Callable[[int, str | None], None]


def carry_out(
    plan: Plan, *, n_processes: int | None = None, on_seed_end: OnSeedEnd | None = None, stop: Stop | None = None
) -> RepairResult:
    """Let all arms operate that have not done so yet, and tell what came out.

    What is done is kept in files and not done again, so the same call continues a study that was interrupted. No signal
    handler is installed.

    Args:
        plan: of `plan_repairs`.
        n_processes: seeds at a time; as many as there are cores if None.
        on_seed_end: called with a seed that has ended, and a sentence if it failed.
        stop: asked some times a second; where it returns a reason, every process ends.

    Raises:
        ComparisonStopped: `stop` asked for it.
    """
    lacking = [seed for seed in plan.seeds if plan.lacking(seed)]
    failures: list[tuple[int, str]] = []

    def end(place: int, failure: str | None) -> None:
        if failure is not None:
            failures.append((lacking[place], failure))
        if on_seed_end is not None:
            on_seed_end(lacking[place], failure)

    for seed in lacking:
        plan.seed_folder(seed).mkdir(parents=True, exist_ok=True)
    tasks = [(partial(repair_with_seed, plan, seed), plan.seed_folder(seed).absolute()) for seed in lacking]
    reason = work_side_by_side(tasks, n_processes or os.cpu_count() or 1, end, stop)
    if reason is not None:
        raise ComparisonStopped(plan.folder, reason)
    return read_result(plan, failures)


def read_result(plan: Plan, failures: list[tuple[int, str]] | None = None) -> RepairResult:
    """What came out, from the files of the seeds that are done with all arms."""
    done = [seed for seed in plan.seeds if not plan.lacking(seed)]
    arms = []
    for arm in plan.arms:
        cases = [plan.done(arm, seed) for seed in done]
        arms.append(ArmResult(arm, tuple(done), tuple(one for one in cases if one is not None)))
    return RepairResult(plan.settings, len(done), tuple(arms) if done else (), tuple(failures or ()))
