"""From numbers to places on paper: linear scales with round ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ROUND_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """A straight line through (low, start) and (high, end)."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where the value is drawn."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def places(self, values: Floats) -> Floats:
        """Where many values are drawn, kept within the scale by half its length: nothing leaves the paper."""
        slack = (self.high - self.low) / 2
        kept = np.clip(values, self.low - slack, self.high + slack)
        return self.start + (kept - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, n: int) -> list[float]:
        """Round numbers in the scale, about n of them."""
        rough = (self.high - self.low) / max(n, 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in _ROUND_STEPS if power * factor >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)]


def spread(values: Sequence[float], *, least: float = 1e-6) -> tuple[float, float]:
    """A range around the finite ones of some numbers, with a little room; (0, 1) where there is none."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    room = max(0.08 * (high - low), least * max(1.0, abs(high)))
    return low - room, high + room


def short_number(value: float) -> str:
    """A tick: 0.25, 400, 10k, 2.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.4g}{letter}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def percent(value: float) -> str:
    """A share for people: 98.4%, 0.22%."""
    return f"{100 * value:.{3 if abs(value) >= 0.1 else 2}g}%"
