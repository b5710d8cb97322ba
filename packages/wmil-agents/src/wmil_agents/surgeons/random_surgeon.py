"""Controls that look at nothing: the random surgeon, and none at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from wmil_agents.checkpoints.generators import generator_state
from wmil_agents.surgeons.surgeon import Operation, edit_by_edit, surgery_in
from wmil_agents.surgeons.surgery_env import Action, View


class RandomSurgeon:
    """Every edit is drawn uniformly from the whole action space.

    Args:
        seed: of the draws.
    """

    name, learns = "random", False

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self.n_evaluations = 0

    def operate(self, env: Operation, observation: View) -> dict[str, Any]:
        """Carries out one operation."""
        shape = env.action_space.shape

        def choose(observation: View) -> Action:
            return self._rng.uniform(-1.0, 1.0, shape).astype(np.float32)

        info, self.n_evaluations = edit_by_edit(env, observation, choose)
        return info

    def state_dict(self) -> dict[str, Any]:
        """Where its draws are."""
        return {"generator": generator_state(self._rng)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on there."""
        self._rng.bit_generator.state = state["generator"]


class NoSurgeon:
    """Changes nothing."""

    name, learns, n_evaluations = "none", False, 0

    def operate(self, env: Operation, observation: View) -> dict[str, Any]:
        """Ends the operation before it has begun."""
        return surgery_in(env).conclude()

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes nothing."""
