from __future__ import annotations

import numpy as np
import pytest

from wmil_envs.reward import GOAL_ONLY, WMIL_WEIGHTS, checked_weights, scalarise


def test_each_component_is_weighted_once() -> None:
    vectors = np.array([[1.0, 0.5, 1.0], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(scalarise(vectors, WMIL_WEIGHTS), [1.0 + 0.05 + 0.1, 0.1])
    np.testing.assert_array_equal(scalarise(vectors, GOAL_ONLY), [1.0, 0.0])


@pytest.mark.parametrize("weights", [(1.0,), (1.0, np.nan, 0.0), (1.0, 2.0, 3.0, 4.0)], ids=str)
def test_bad_weights_are_refused(weights: tuple) -> None:
    with pytest.raises(ValueError, match="three finite numbers"):
        checked_weights(weights)
