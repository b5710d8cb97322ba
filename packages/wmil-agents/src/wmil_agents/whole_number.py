"""Whole numbers that callers pass."""

from __future__ import annotations

from numbers import Integral
from typing import Any


def check_whole_number(name: str, number: Any, at_least: int = 1) -> None:
    """Raises a `ValueError` where this is no whole number, of Python or of NumPy, or too small a one."""
    if not isinstance(number, Integral) or int(number) < at_least:
        raise ValueError(f"{name} must be a whole number of at least {at_least}, not {number!r}")
