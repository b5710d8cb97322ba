"""How many steps does each world take, beside what knowledge alone would need? Writes the documentation's table.

Two references are computed for each world, as for PatternEcho: a learner that knows only which answers paid, and one
that also remembers which failed. Each sees the same kind of episodes one by one, and forgets nothing; the first is what
a learner by rewards can hope for, neither is a bound for one that generalises from one question to another.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import gymnasium as gym
import numpy as np

from benchmarks.learning.ablations import Component, Learner, counted, steps
from benchmarks.learning.pattern_echo import THRESHOLD
from wmil_agents.evaluation.intervals import bootstrap_interval
from wmil_envs.bank import Bank
from wmil_envs.seeding import spawn_seeds
from wmil_envs.symbolic_env import SymbolicEnv

TABLE = Path(__file__).parents[2] / "docs" / "tables" / "worlds.md"
GIVE_UP_STEPS = 20_000
POLICY_ALONE = Component("world model", "none", (), world_model_scale=0.0)
WORLDS = (
    ("PatternEcho, 8 symbols", "wmil_envs:WMIL/PatternEcho-v0", {}),
    ("SequenceNext, arithmetic (default)", "wmil_envs:WMIL/SequenceNext-v0", {}),
    ("SequenceNext, alternating (the last that can be solved)", "wmil_envs:WMIL/SequenceNext-v0", {"level": 4}),
    ("Conditional, three conditions", "wmil_envs:WMIL/Conditional-v0", {}),
)
N_REFERENCES = 200


def reference_steps(bank: Bank, level: int, seed: int, *, remembers_failures: bool) -> int:
    """Episodes until the mean over questions of the chance to answer right is at the threshold.

    A question that has been answered right is known; another one is answered at random, among all actions or among
    those that have not failed.
    """
    rng = np.random.default_rng(seed)
    members, correct = bank.levels[level], bank.correct
    known = np.zeros(bank.n_instances, dtype=np.bool_)
    n_failed = np.zeros(bank.n_instances, dtype=np.int64)
    tried = np.zeros((bank.n_instances, bank.n_actions), dtype=np.bool_)
    for n_steps in range(GIVE_UP_STEPS):
        chances = np.where(known, 1.0, 1.0 / (bank.n_actions - n_failed))
        if chances[members].mean() >= THRESHOLD:
            return n_steps
        question = rng.choice(members)
        if known[question]:
            continue
        action = rng.choice(np.flatnonzero(~tried[question]))
        if action == correct[question]:
            known[question] = True
        elif remembers_failures:
            tried[question, action] = True
            n_failed[question] += 1
    return GIVE_UP_STEPS


def row(name: str, env_id: str, arguments: dict[str, int], n_seeds: int, n_processes: int) -> str:
    """One world: its size, both references, and both learners."""
    env = gym.make(env_id, **arguments).unwrapped
    assert isinstance(env, SymbolicEnv)
    bank, level = env.bank, env.world.level
    cells = [name, f"{len(bank.levels[level])} x {bank.n_actions}"]
    for remembers_failures in (False, True):
        found = [reference_steps(bank, level, i, remembers_failures=remembers_failures) for i in range(N_REFERENCES)]
        cells.append(f"{np.median(found):,.0f}")
    for learner_arguments in ({}, {"event_replay": True}):
        learner = Learner(name, env_id, GIVE_UP_STEPS, learner_arguments, arguments)
        jobs = [(learner, POLICY_ALONE, seed) for seed in spawn_seeds(0, n_seeds)]
        if n_processes == 1:
            all_steps = [steps(*job) for job in jobs]
        else:
            with get_context("spawn").Pool(n_processes) as pool:
                all_steps = pool.starmap(steps, jobs, chunksize=1)
        needed = counted(all_steps, GIVE_UP_STEPS)
        low, high = bootstrap_interval(needed, np.median, np.random.default_rng(0))
        n_solved = sum(one is not None for one in all_steps)
        cells.append(f"{np.median(needed):,.0f} [{low:,.0f}, {high:,.0f}], {n_solved} of {n_seeds}")
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs, writes, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="runs of each cell (default 20)")
    parser.add_argument("--processes", type=int, default=1, help="processes to share them among (default 1)")
    parser.add_argument("--table", type=Path, default=TABLE, help="file to write to")
    chosen = parser.parse_args(arguments)
    lines = [
        "| world | questions x answers | knows what paid | and what failed | REINFORCE | with event replay |",
        "| --- | --- | --- | --- | --- | --- |",
        *(row(*world, chosen.seeds, chosen.processes) for world in WORLDS),
    ]
    words = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks.learning.worlds", *words])
    text = "\n".join(lines) + (
        f"\n\nEnvironment steps to {THRESHOLD:.0%} exact success: medians, of {N_REFERENCES} simulations for the two "
        f"references, of {chosen.seeds} seeds for the learners, with 95 % bootstrap intervals and the number of runs "
        f"that got there within {GIVE_UP_STEPS:,}. Written by `{command}`.\n"
    )
    chosen.table.parent.mkdir(parents=True, exist_ok=True)
    chosen.table.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
