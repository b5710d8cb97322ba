"""A parent whose verdicts are sometimes wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from wmil_envs.parent import Parent, Scores
from wmil_envs.task import Actions, States


class NoisyParent:
    """Another parent's verdicts, each turned into its opposite with probability `flip`.

    Only the reward and the feedback shown are flipped: `info["success"]` keeps to the truth.
    """

    def __init__(self, parent: Parent, flip: Any) -> None:
        if not isinstance(flip, int | float | np.floating) or not 0.0 <= flip <= 1.0:
            raise ValueError(f"flip must be a probability, not {flip!r}")
        self.parent = parent
        self.flip = float(flip * (1.0 - parent.flip) + parent.flip * (1.0 - flip))
        self._own_flip = flip

    def instances(self, level: int) -> States:
        return self.parent.instances(level)

    def judge(self, states: States, actions: Actions) -> Scores:
        return self.parent.judge(states, actions)

    def transition(self, states: States, actions: Actions) -> States | None:
        return self.parent.transition(states, actions)

    def __getattr__(self, name: str) -> Any:
        """What only some parents have: all that makes the one under this noise lazy, its settings and its counts."""
        if name == "parent" or name.startswith("__"):  # not there yet while a copy is being made
            raise AttributeError(name)
        return getattr(self.parent, name)

    def specification(self) -> dict[str, Any]:
        return {"kind": "noisy", "flip": self._own_flip, "of": self.parent.specification()}
