from __future__ import annotations

import numpy as np
import pytest

from wmil_envs.tasks.sequence_next import SequenceNext


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ((0, 3, 4, 0), 5),  # 3 4 -> 5
        ((1 + 2, 3, 4, 0), 5),  # 2 3 4 -> 5
        ((1 + 7, 5, 3, 0), 1),  # 7 5 3 -> 1
        ((1 + 5, 0, 3, 0), 6),  # 5 0 3 -> 6, steps of 3 modulo 8
        ((1 + 0, 1, 3, 0), 4),  # 0 1 3 -> 4, steps 1 2 1
        ((1 + 0, 1, 3, 1), 5),  # 0 1 3 -> 5 under the hidden rule: the last difference again
    ],
)
def test_answers_worked_out_by_hand(state: tuple[int, ...], answer: int) -> None:
    assert SequenceNext().answers(np.array([state], dtype=np.int32))[0] == answer


@pytest.mark.parametrize("n_symbols", [4, 8, 11])
def test_the_first_three_levels_never_wrap_around(n_symbols: int) -> None:
    task = SequenceNext(n_symbols=n_symbols)
    for level in range(3):
        states = task.instances(level)
        difference = states[:, 2] - states[:, 1]
        np.testing.assert_array_equal(task.answers(states), states[:, 2] + difference)


def test_alternating_sequences_have_two_different_steps() -> None:
    states = SequenceNext().instances(4)
    first, last = (states[:, 1] - states[:, 0] + 1) % 8, (states[:, 2] - states[:, 1]) % 8
    assert (first != last).all()
    assert (first != 0).all()
    assert (last != 0).all()


def test_the_hidden_rule_decides_between_two_answers() -> None:
    task = SequenceNext()
    states = task.instances(5)
    other = states.copy()
    other[:, 3] = 1 - other[:, 3]
    assert (task.answers(states) != task.answers(other)).all()
