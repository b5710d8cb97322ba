from __future__ import annotations

import numpy as np

from wmil_agents.losses.returns import leave_one_out_means, rewards_to_go


def test_returns_stop_at_the_end_of_an_episode() -> None:
    rewards = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 0.0], [8.0, 3.0]])
    ends = np.array([[False, False], [True, False], [False, False], [False, True]])
    returns, complete = rewards_to_go(rewards, ends, discount=0.5)
    assert returns[:, 0].tolist() == [1 + 0.5 * 2, 2, 4 + 0.5 * 8, 8]
    assert returns[:, 1].tolist() == [0.5 * 1 + 0.125 * 3, 1 + 0.25 * 3, 0.5 * 3, 3]
    assert complete[:, 0].tolist() == [True, True, False, False]
    assert complete[:, 1].all()


def test_without_a_future_a_reward_is_known_at_once() -> None:
    rewards = np.array([[1.0, 0.0], [2.0, 1.0]])
    returns, complete = rewards_to_go(rewards, np.zeros((2, 2), dtype=bool), discount=0.0)
    assert returns.tolist() == rewards.tolist()
    assert complete.all()


def test_leave_one_out_means_are_of_the_other_complete_returns_of_the_group() -> None:
    returns = np.array([[1.0, 2.0, 6.0, 5.0], [1.0, 2.0, 3.0, 4.0]])
    complete = np.array([[True, True, True, False], [True, True, True, True]])
    np.testing.assert_allclose(
        leave_one_out_means(returns, complete, 4), [[4.0, 3.5, 1.5, 3.0], [3.0, 8 / 3, 7 / 3, 2.0]]
    )
    np.testing.assert_allclose(leave_one_out_means(returns, complete, 2), [[2.0, 1.0, 6.0, 6.0], [2.0, 1.0, 4.0, 3.0]])
