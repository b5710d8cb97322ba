from __future__ import annotations

import numpy as np
import pytest

from wmil_envs.tasks.pattern_echo import PatternEcho


@pytest.mark.parametrize(
    ("n_symbols", "shown"), [(2, [1, 2]), (8, [4, 8]), (9, [4, 9]), (16, [4, 8, 16]), (32, [8, 16, 32])]
)
def test_levels_restrict_the_symbols_shown_and_never_the_actions(n_symbols: int, shown: list[int]) -> None:
    task = PatternEcho(n_symbols=n_symbols)
    assert [len(task.instances(level)) for level in range(len(task.levels))] == shown
    assert task.n_actions == n_symbols
    assert task.level_index(None) == len(task.levels) - 1


def test_the_answer_is_the_symbol_shown() -> None:
    task = PatternEcho()
    np.testing.assert_array_equal(task.correct_actions(task.instances(1)), np.arange(8))
