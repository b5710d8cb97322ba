import numpy as np
import pytest
from gymnasium import spaces

from wmil_agents.analysis.action_statistics import action_statistics


def test_shares_and_entropy_of_discrete_actions() -> None:
    found = action_statistics(np.array([0, 0, 1, 2]), spaces.Discrete(4), np.log([0.5, 0.5, 0.25, 0.25]))
    assert found.shares is not None
    assert found.shares.tolist() == [0.5, 0.25, 0.25, 0.0]
    assert found.marginal_entropy == pytest.approx(1.5 * np.log(2))
    assert float(found.entropy) == pytest.approx(1.5 * np.log(2))
    assert found.saturation is None


def test_mean_and_saturation_of_box_actions() -> None:
    space = spaces.Box(np.array([-1.0, -np.inf, 0.0], np.float32), np.array([1.0, np.inf, 2.0], np.float32))
    actions = np.array([[-1.0, 5.0, 1.0], [3.0, 5.0, 1.0], [0.0, 5.0, 1.999], [0.97, 5.0, 1.0]])
    found = action_statistics(actions, space)
    assert found.mean == pytest.approx([0.7425, 5.0, 1.24975])
    assert found.saturation is not None
    assert found.saturation.tolist()[::2] == [0.5, 0.25]
    assert np.isnan(found.saturation[1])
    assert found.entropy is None


def test_a_discrete_space_may_start_anywhere() -> None:
    shares = action_statistics(np.array([-1, 1]), spaces.Discrete(3, start=-1)).shares
    assert shares is not None
    assert shares.tolist() == [0.5, 0.0, 0.5]


def test_other_spaces_and_too_few_actions_are_refused() -> None:
    with pytest.raises(ValueError, match="not of MultiBinary"):
        action_statistics(np.zeros((3, 2)), spaces.MultiBinary(2))
    with pytest.raises(ValueError, match="at least 2 actions"):
        action_statistics(np.zeros(1), spaces.Discrete(2))
