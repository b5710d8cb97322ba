"""Every level, equally often."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wmil_envs.curriculum import Curriculum, Levels


class UniformCurriculum(Curriculum):
    """Draws the level of each episode uniformly: the control for every adaptive curriculum."""

    adaptive = False

    def sample(self, uniforms: npt.NDArray[np.float64]) -> Levels:
        return (uniforms * self.n_levels).astype(np.int64)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:
            raise ValueError(f"a uniform curriculum has no state, but was given {sorted(state)}")
