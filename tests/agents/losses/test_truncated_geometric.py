from __future__ import annotations

import numpy as np

from wmil_agents.losses.truncated_geometric import truncated_geometric


def test_draws_follow_the_truncated_geometric_distribution() -> None:
    draws = truncated_geometric(np.full(100_000, 4), 0.5, np.random.default_rng(0))
    shares = np.bincount(draws, minlength=6) / len(draws)
    np.testing.assert_allclose(shares, [0, 8 / 15, 4 / 15, 2 / 15, 1 / 15, 0], atol=0.006)


def test_a_limit_of_one_leaves_one() -> None:
    assert (truncated_geometric(np.ones(1000, dtype=int), 0.9, np.random.default_rng(0)) == 1).all()


def test_each_draw_keeps_its_own_limit() -> None:
    limits = np.arange(1, 1001)
    draws = truncated_geometric(limits, 0.999, np.random.default_rng(0))
    assert (draws >= 1).all()
    assert (draws <= limits).all()
    assert draws.max() > 500
