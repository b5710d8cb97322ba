"""A search by trial and error from scratch for each patient: what a surgeon that has learnt must beat."""

from __future__ import annotations

from typing import Any

import numpy as np

from wmil_agents.checkpoints.generators import generator_state
from wmil_agents.surgeons.surgeon import Operation, surgery_in
from wmil_agents.surgeons.surgery_env import View

_SUCCESS, _FAILURE = 1.5, 1.5**-0.25
"""What the step size is multiplied by, so that it stays where one trial in five succeeds."""


class EvolutionSurgeon:
    """(1+1) evolution strategy: a random change of all strengths is taken if the search score rises.

    Its step size follows the one-fifth rule (Rechenberg, 1973, "Evolutionsstrategie"; Schumer and Steiglitz, 1968,
    "Adaptive step size random search").

    Args:
        n_evaluations: trials in one operation.
        seed: of the draws.
        step_size: standard deviation of the first change.
    """

    learns = False

    def __init__(self, n_evaluations: int = 4, seed: int = 0, step_size: float = 0.3) -> None:
        if n_evaluations < 1:
            raise ValueError(f"n_evaluations must be at least 1, not {n_evaluations}")
        self.n_evaluations, self.step_size = n_evaluations, step_size
        self.name = f"es{n_evaluations}"
        self._rng = np.random.default_rng(seed)

    def operate(self, env: Operation, observation: View) -> dict[str, Any]:
        """Carries out one operation."""
        surgery = surgery_in(env)
        best = float(observation[surgery.observation_names.index("search_score")])
        strengths, step_size = np.array(surgery.strengths), self.step_size
        for _ in range(self.n_evaluations):
            trial = strengths + self._rng.normal(0.0, step_size, len(strengths))
            surgery.set_strengths(trial)
            score = surgery.search_score()
            if score > best:
                best, strengths = score, trial
                step_size *= _SUCCESS
            else:
                step_size *= _FAILURE
        surgery.set_strengths(strengths)
        return surgery.conclude()

    def state_dict(self) -> dict[str, Any]:
        """Where its draws are."""
        return {"generator": generator_state(self._rng)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on there."""
        self._rng.bit_generator.state = state["generator"]
