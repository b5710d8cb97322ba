from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from wmil_envs.recordings.agreement import Agreement, agreement, sample_agreement


def test_kappa_is_the_one_worked_out_by_hand() -> None:
    # Of 50 cells both call 20 right and 15 wrong: p = 35/50 = 0.7. The model calls 25 right and the rule 30, so habit
    # alone gives e = 25/50 * 30/50 + 25/50 * 20/50 = 0.3 + 0.2 = 0.5, and kappa = (0.7 - 0.5) / (1 - 0.5) = 0.4.
    table = Agreement(both_right=20, model_only=5, rule_only=10, both_wrong=15)
    assert table.n == 50
    assert table.share == pytest.approx(0.7)
    assert table.kappa == pytest.approx(0.4)
    assert table.why_no_kappa is None


def test_the_ends_of_kappa() -> None:
    assert Agreement(3, 0, 0, 5).kappa == 1.0
    assert Agreement(0, 4, 4, 0).kappa == -1.0
    assert Agreement(4, 4, 4, 4).kappa == 0.0


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (Agreement(8, 0, 0, 0), "the rule says the same of every cell"),
        (Agreement(4, 4, 0, 0), "the model says the same of every cell"),
        (Agreement(0, 0, 3, 5), "the model says the same of every cell"),
        (Agreement(4, 0, 4, 0), "the rule says the same of every cell"),
        (Agreement(0, 0, 0, 0), "nothing was judged"),
    ],
)
def test_kappa_is_undefined_where_one_rater_is_constant(table: Agreement, why: str) -> None:
    assert table.kappa is None
    assert table.why_no_kappa == why


def test_cells_are_counted() -> None:
    model = np.array([True, True, False, False, False])
    rule = np.array([True, False, True, False, False])
    assert agreement(model, rule) == Agreement(1, 1, 1, 2)
    assert agreement(model[:0], rule[:0]).share is None


def test_samples_agree_as_often_as_their_pairs_do() -> None:
    right = np.random.default_rng(0).random((4, 30)) < 0.6
    pairs = [(right[i] == right[j]).mean() for i, j in combinations(range(4), 2)]
    assert sample_agreement(right) == pytest.approx(np.mean(pairs))
    assert sample_agreement(right[:1]) is None
    assert sample_agreement(right[:, :0]) is None
