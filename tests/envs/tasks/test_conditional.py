from __future__ import annotations

import itertools

import numpy as np

from wmil_envs.tasks.conditional import Conditional


def test_sixteen_states_have_sixteen_answers() -> None:
    task = Conditional()
    np.testing.assert_array_equal(np.sort(task.correct_actions(task.instances(2))), np.arange(16))


def test_answers_follow_the_stated_rule() -> None:
    for shape, count, colour in itertools.product(range(2), range(4), range(2)):
        state = np.array([[shape, 1 + count, 1 + colour]], dtype=np.int32)
        assert Conditional().answers(state)[0] == 4 * shape + count + 8 * colour


def test_levels_are_nested_and_a_condition_left_out_adds_nothing() -> None:
    task = Conditional()
    np.testing.assert_array_equal(task.answers(task.instances(0)), [0, 4])
    np.testing.assert_array_equal(task.answers(task.instances(1)), np.arange(8))
    assert task.level_index(None) == 2
