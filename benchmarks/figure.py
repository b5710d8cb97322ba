"""One measured number beside the bound it is held to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Figure:
    """What was measured, how, and what it should have been."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    """None for a number that is only there to compare with."""
    better: Literal["less", "more"] = "less"
    low: float | None = None
    """Lower quartile, or lower end of the spread that `note` names."""
    high: float | None = None
    repeats: int = 1
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the bound is kept, and by how much it is missed if not."""
        if self.bound is None:
            return "for comparison"
        if self.value <= self.bound if self.better == "less" else self.value >= self.bound:
            return "met"
        return f"missed by {abs(self.value - self.bound) / self.bound:.1%}"

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Figure:
        """The figure that `to_dict` wrote."""
        return cls(**{key: value for key, value in row.items() if key != "verdict"})

    def to_dict(self) -> dict[str, Any]:
        """The row of a CSV file."""
        return {**asdict(self), "verdict": self.verdict}
