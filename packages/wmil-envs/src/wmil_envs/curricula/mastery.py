"""One level after the other, each when the one before is mastered."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from wmil_envs.curriculum import Curriculum, Levels
from wmil_envs.integer import checked_integer

_Z95 = 1.959963984540054
_RULES = ("mean", "wilson")


class MasteryCurriculum(Curriculum):
    """Promotes when the last `window` episodes at the level reach `threshold`, and then forgets them.

    Args:
        n_levels: number of levels.
        threshold: the mean share of right answers that counts as mastery.
        window: episodes that are looked at; a level is never left after fewer.
        rule: "mean", or "wilson": the lower end of the 95 % Wilson score interval must reach the threshold. At a true
            rate of 0.7 the mean of one window of 100 passes 0.8 by luck with probability 0.016, and sliding windows
            will in time; the Wilson bound then passes with probability below 1e-4.
        replay: probability that an episode revisits one of the levels already mastered.
    """

    def __init__(
        self, n_levels: int, threshold: float = 0.8, window: int = 100, rule: str = "mean", replay: float = 0.0
    ) -> None:
        super().__init__(n_levels)
        if not _is_number(threshold) or not 0.0 < threshold <= 1.0:
            raise ValueError(f"threshold must be in (0, 1], not {threshold!r}")
        window = checked_integer("window", window, 1)
        if rule not in _RULES:
            raise ValueError(f"rule must be one of {', '.join(_RULES)}, not {rule!r}")
        if not _is_number(replay) or not 0.0 <= replay < 1.0:
            raise ValueError(f"replay must be in [0, 1), not {replay!r}")
        self.threshold, self.window, self.rule, self.replay = threshold, window, rule, replay
        self.level = 0
        self._scores: deque[float] = deque(maxlen=window)
        self._sum = 0.0

    def sample(self, uniforms: npt.NDArray[np.float64]) -> Levels:
        self._check_process()
        levels = np.full(len(uniforms), self.level, dtype=np.int64)
        if self.level > 0 and self.replay > 0.0:
            back = uniforms < self.replay
            levels[back] = (uniforms[back] / self.replay * self.level).astype(np.int64)
        return levels

    def update(self, levels: Levels, scores: npt.NDArray[np.float64]) -> None:
        super().update(levels, scores)
        for level, score in zip(levels.tolist(), scores.tolist(), strict=True):
            if level == self.level:
                self._hear(score)

    def _hear(self, score: float) -> None:
        if len(self._scores) == self.window:
            self._sum -= self._scores[0]
        self._scores.append(score)
        self._sum += score
        if len(self._scores) == self.window and self.level < self.n_levels - 1 and self._is_mastered():
            self.level += 1
            self._scores.clear()
            self._sum = 0.0

    def _is_mastered(self) -> bool:
        n = self.window
        rate = self._sum / n
        if self.rule == "wilson":
            margin = _Z95 * (max(rate * (1.0 - rate), 0.0) / n + _Z95**2 / (4 * n**2)) ** 0.5
            rate = (rate + _Z95**2 / (2 * n) - margin) / (1.0 + _Z95**2 / n)
        return rate >= self.threshold - 1e-12

    def state_dict(self) -> dict[str, Any]:
        return {"level": self.level, "scores": list(self._scores), "sum": self._sum}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if not 0 <= state["level"] < self.n_levels:
            raise ValueError(f"the curriculum has {self.n_levels} levels, so it cannot be at level {state['level']}")
        self.level, self._sum = state["level"], state["sum"]
        self._scores = deque(state["scores"], maxlen=self.window)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.floating)
