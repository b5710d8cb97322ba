from __future__ import annotations

import math

import pytest
import torch

from wmil_agents.losses.info_nce import info_nce


def test_a_guess_costs_the_logarithm_of_the_number_of_pairs() -> None:
    assert float(info_nce(torch.zeros(5, 5))) == pytest.approx(math.log(5))


def test_two_pairs_by_hand() -> None:
    rows = -math.log(math.exp(2) / (math.exp(2) + math.exp(1))) - math.log(math.exp(3) / (math.exp(0) + math.exp(3)))
    columns = -math.log(math.exp(2) / (math.exp(2) + math.exp(0))) - math.log(math.exp(3) / (math.exp(1) + math.exp(3)))
    assert float(info_nce(torch.tensor([[2.0, 1.0], [0.0, 3.0]]))) == pytest.approx((rows + columns) / 4)
