"""The contract of a fault: how a model is damaged before a surgeon sees it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from wmil_agents.surgeons.score import Model
from wmil_agents.surgery.edit import Edit


class Fault(Protocol):
    """Contract: draws the edits that damage a model."""

    @property
    def name(self) -> str:
        """What it is called in settings and infos."""
        ...

    def draw(self, model: Model, rng: np.random.Generator) -> tuple[Edit, ...]:
        """The edits; nothing is changed yet."""
        ...
