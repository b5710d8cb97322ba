"""CartPole by the history agent beside Stable-Baselines3's PPO with an MLP: how many seeds solve it, and how soon."""

from __future__ import annotations

import numpy as np

from benchmarks.figure import Figure
from benchmarks.learning.history_cartpole import (
    N_EPISODES,
    PEER,
    PRESET,
    SOLVED,
    TOTAL_STEPS,
    Learner,
    Run,
    first_solved,
    history_agent,
    peer,
)
from benchmarks.program import run_program
from wmil_agents.runs.experiment import torch_threads

SEEDS, SHORT_SEEDS = 5, 1
INTERVAL = 8_192
"""Steps between evaluations."""


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    learners: dict[str, Learner] = {
        f"wmil train {PRESET}": history_agent([], TOTAL_STEPS, until_solved=True),
        PEER: peer(TOTAL_STEPS, until_solved=True),
    }
    figures: list[Figure] = []
    with torch_threads(1):
        for name, learner in learners.items():
            runs = [learner(seed, INTERVAL) for seed in range(SHORT_SEEDS if short else SEEDS)]
            figures += of_runs(name, runs, has_bound=name != PEER, short=short)
    return figures


def of_runs(name: str, runs: list[Run], *, has_bound: bool, short: bool) -> list[Figure]:
    """The share of seeds that got there, then steps and CPU seconds, an unsolved run with all of its own."""
    solved = [first_solved(run) for run in runs]
    ends = [run[-1] if point is None else point for point, run in zip(solved, runs, strict=True)]
    task, n = f"CartPole, {name}", len(runs)
    form = f"short form, the figure asks for {SEEDS} seeds" if short else "seeds"
    share = float(np.mean([point is not None for point in solved]))
    title = f"{task}: share of seeds with a mean return of {SOLVED:.0f} or more over {N_EPISODES} episodes"
    figures = [Figure(title, share, "", 1.0 if has_bound else None, "more", repeats=n, note=form)]
    for what, unit, of_seeds in (
        ("steps until then", "steps", [float(point.step) for point in ends]),
        ("CPU time until then, evaluation not counted", "CPU s", [point.seconds for point in ends]),
    ):
        low, high = min(of_seeds), max(of_seeds)
        median = float(np.median(of_seeds))
        note = f"seeds; least and most; judged every {INTERVAL:,} steps"
        figures.append(Figure(f"{task}: {what}", median, unit, None, "less", low, high, n, note))
    return figures


if __name__ == "__main__":
    run_program("benchmarks.learning.cartpole_figures", measure, __doc__)
