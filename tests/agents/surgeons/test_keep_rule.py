from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wmil_agents.surgeons import KeepRule

Draw = Callable[[np.random.Generator], np.ndarray]
N_ITEMS = 12
EVEN = np.full(N_ITEMS, 1 / N_ITEMS)

SYMMETRIC: dict[str, Draw] = {
    "normal": lambda rng: rng.normal(size=N_ITEMS),
    "heavy tails": lambda rng: rng.standard_cauchy(N_ITEMS),
    "few values": lambda rng: rng.integers(-1, 2, N_ITEMS).astype(float),
    "few that differ": lambda rng: rng.normal(size=N_ITEMS) * (rng.random(N_ITEMS) < 0.3),
}


@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_where_nothing_but_luck_changes_no_more_than_alpha_is_kept(name: str, alpha: float) -> None:
    rule, rng, n = KeepRule(alpha, n_flips=199), np.random.default_rng(0), 3_000
    before = rng.random(N_ITEMS)
    kept = sum(rule.decide(before, before + SYMMETRIC[name](rng), EVEN, k).keep for k in range(n))
    assert kept / n <= alpha + 3 * (alpha * (1 - alpha) / n) ** 0.5


def test_the_level_is_used_and_a_true_gain_is_kept() -> None:
    rule, rng = KeepRule(0.05, n_flips=199), np.random.default_rng(0)
    zero = np.zeros(N_ITEMS)
    kept = np.mean([rule.decide(zero, rng.normal(size=N_ITEMS), EVEN, k).keep for k in range(2_000)])
    assert kept > 0.03
    assert np.mean([rule.decide(zero, rng.normal(1.5, 1.0, N_ITEMS), EVEN, k).keep for k in range(200)]) > 0.9


def test_the_p_value_is_the_share_of_sign_sets_with_as_large_a_gain() -> None:
    differences, weights = np.array([3.0, 1.0, 2.0, -0.5]), np.full(4, 0.25)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 4)).reshape(4, -1)
    exact = np.mean(differences @ signs >= differences.sum() - 1e-9)
    decision = KeepRule(0.2, n_flips=20_000).decide(np.zeros(4), differences, weights, 1)
    assert decision.p_value == pytest.approx(exact, abs=0.01)
    assert decision.gain == pytest.approx(5.5 / 4)
    assert decision.keep


def test_weights_count() -> None:
    differences = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1.0])
    rule, zero = KeepRule(), np.zeros(7)
    even = rule.decide(zero, differences, np.full(7, 1 / 7), 0)
    heavy = rule.decide(zero, differences, np.array([0.05] * 6 + [0.7]), 0)
    assert even.gain > 0.0 > heavy.gain
    assert not heavy.keep
    assert heavy.p_value == 1.0


def test_no_change_and_a_loss_are_never_kept() -> None:
    rule, same = KeepRule(0.9), np.linspace(0.0, 1.0, N_ITEMS)
    assert not rule.decide(same, same, EVEN, 0).keep
    assert not rule.decide(same, same - 0.1, EVEN, 0).keep


def test_the_same_seed_decides_the_same() -> None:
    after = np.random.default_rng(1).normal(0.4, 1.0, N_ITEMS)
    first, again = (KeepRule().decide(np.zeros(N_ITEMS), after, EVEN, 7) for _ in range(2))
    assert first == again


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
        KeepRule(1.5)
    with pytest.raises(ValueError, match="n_flips must be at least 19"):
        KeepRule(0.05, n_flips=10)
    with pytest.raises(ValueError, match="not of the same items"):
        KeepRule().decide(np.zeros(3), np.zeros(4), np.zeros(3), 0)
    with pytest.raises(ValueError, match="finite"):
        KeepRule().decide(np.zeros(3), np.array([0.0, np.nan, 1.0]), np.ones(3) / 3, 0)
