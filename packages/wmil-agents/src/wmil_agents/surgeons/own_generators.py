"""Random numbers of one's own, where libraries draw from the generators that all share."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from wmil_agents.checkpoints.generators import global_generators, set_global_generators


class OwnGenerators:
    """A block in which Python's, NumPy's and torch's global generators go on where this block left them the last time.

    Afterwards they are as everybody else left them, so what is drawn inside changes nothing outside, and the reverse.

    Args:
        seed: what they begin with.
    """

    def __init__(self, seed: int) -> None:
        self._others: dict[str, Any] | None = None
        others = global_generators()
        try:
            words = np.random.SeedSequence(seed).generate_state(3)
            random.seed(int(words[0]))
            np.random.seed(int(words[1]))  # noqa: NPY002  # Stable-Baselines3 draws from it
            torch.manual_seed(int(words[2]))
            self._own = global_generators()
        finally:
            set_global_generators(others)

    def __enter__(self) -> None:
        if self._others is not None:
            raise RuntimeError("these generators are in use already")
        self._others = global_generators()
        set_global_generators(self._own)

    def __exit__(self, *exception: object) -> None:
        assert self._others is not None
        self._own = global_generators()
        set_global_generators(self._others)
        self._others = None

    def state_dict(self) -> dict[str, Any]:
        """Where they are."""
        return self._own

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts them there."""
        self._own = state
