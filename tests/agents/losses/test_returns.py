from __future__ import annotations

import numpy as np

from wmil_agents.losses.returns import rewards_to_go


def test_returns_stop_at_the_end_of_an_episode() -> None:
    rewards = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 0.0], [8.0, 3.0]])
    ends = np.array([[False, False], [True, False], [False, False], [False, True]])
    returns, complete = rewards_to_go(rewards, ends, discount=0.5)
    assert returns[:, 0].tolist() == [1 + 0.5 * 2, 2, 4 + 0.5 * 8, 8]
    assert returns[:, 1].tolist() == [0.5 * 1 + 0.125 * 3, 1 + 0.25 * 3, 0.5 * 3, 3]
    assert complete[:, 0].tolist() == [True, True, False, False]
    assert complete[:, 1].all()
