"""A running mean that is unbiased from its first value on."""

from __future__ import annotations


class RunningMean:
    """Exponential moving average of numbers, divided by the weight it has gathered so far (as in Adam).

    Args:
        momentum: Weight of the newest number, in (0, 1].
    """

    def __init__(self, momentum: float = 0.05) -> None:
        if not 0.0 < momentum <= 1.0:
            raise ValueError(f"momentum must be above 0 and at most 1, not {momentum}")
        self.momentum = momentum
        self._sum = 0.0
        self._weight = 0.0

    @property
    def value(self) -> float:
        """The mean so far; 0 before the first number."""
        return self._sum / self._weight if self._weight else 0.0

    def update(self, number: float) -> None:
        """Takes in one number."""
        self._sum += self.momentum * (number - self._sum)
        self._weight += self.momentum * (1.0 - self._weight)

    def state_dict(self) -> dict[str, float]:
        """Sum and weight, as plain data."""
        return {"sum": self._sum, "weight": self._weight}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restores what `state_dict` returned."""
        self._sum = float(state["sum"])
        self._weight = float(state["weight"])
