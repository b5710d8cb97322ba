from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wmil_agents.whole_number import check_whole_number


@pytest.mark.parametrize("number", [2, 7, np.int64(3)])
def test_whole_numbers_pass(number: Any) -> None:
    check_whole_number("n", number, at_least=2)


@pytest.mark.parametrize("number", [1, -3, 2.0, "3", None, float("nan")])
def test_anything_else_is_refused_by_name(number: Any) -> None:
    with pytest.raises(ValueError, match=f"n must be a whole number of at least 2, not {number!r}"):
        check_whole_number("n", number, at_least=2)
