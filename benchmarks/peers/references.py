"""How many steps PatternEcho takes a learner that draws every conclusion from what it has seen, by simulation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.exact_success import THRESHOLD

N_SYMBOLS = 8


def rewards_only_steps(n_runs: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Steps to 95 % of a learner that repeats what paid, guesses otherwise and remembers no failure, (n_runs,).

    A known symbol is answered right, an unknown one with probability 1/n: with one of 8 unknown the exact success is
    .89, so all must be known. While k are, a step teaches another one with probability (n - k) / n^2.
    """
    chances = np.arange(N_SYMBOLS, 0, -1) / N_SYMBOLS**2
    steps: NDArray[np.int64] = rng.geometric(chances, size=(n_runs, N_SYMBOLS)).sum(axis=1)
    return steps


def elimination_steps(n_runs: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Steps to 95 % of a learner that remembers failures too and guesses among the answers left, (n_runs,)."""
    return np.array([_elimination_run(rng) for _ in range(n_runs)])


def _elimination_run(rng: np.random.Generator) -> int:
    n_left = np.full(N_SYMBOLS, N_SYMBOLS)
    steps = 0
    while (1.0 / n_left).mean() < THRESHOLD:
        symbol = rng.integers(N_SYMBOLS)
        steps += 1
        if n_left[symbol] > 1:
            is_right = rng.random() < 1.0 / n_left[symbol]
            n_left[symbol] = 1 if is_right else n_left[symbol] - 1
    return steps
