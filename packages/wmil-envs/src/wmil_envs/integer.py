"""Whole numbers that callers pass, checked at the door."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np


def checked_integer(name: str, value: Any, at_least: int) -> int:
    """The value as a plain int.

    Raises:
        ValueError: it is no integer (a bool is none), or too small.
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = index(value)
    except TypeError:
        raise ValueError(f"{name} must be an integer, not {value!r}") from None
    if number < at_least:
        raise ValueError(f"{name} must be at least {at_least}, not {number}")
    return number
