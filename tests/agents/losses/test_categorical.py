from __future__ import annotations

import math

import pytest
import torch

from wmil_agents.losses.categorical import categorical_cross_entropy, one_hot_squared_error


def test_cross_entropy_is_the_mean_over_rows_and_attributes() -> None:
    probabilities = torch.tensor([[[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]], [[0.9, 0.1, 0.0], [0.1, 0.1, 0.8]]])
    targets = torch.tensor([[0, 2], [1, 1]])
    expected = -(math.log(0.5) + math.log(0.5) + math.log(0.1) + math.log(0.1)) / 4
    assert float(categorical_cross_entropy(probabilities.log(), targets)) == pytest.approx(expected)


def test_squared_error_of_a_uniform_guess_is_its_textbook_value() -> None:
    uniform = torch.tensor([[[0.5, 0.5, 0.0, 0.0], [0.25] * 4]])
    error = one_hot_squared_error(uniform, torch.tensor([[1, 3]]), torch.tensor([2, 4]))
    assert error.tolist() == [[pytest.approx(1 / 4), pytest.approx(3 / 16)]]


def test_squared_error_is_zero_for_certainty_and_two_nths_for_a_certain_mistake() -> None:
    certain = torch.tensor([[[0.0, 1.0, 0.0]]])
    assert one_hot_squared_error(certain, torch.tensor([[1]]), torch.tensor([3])).item() == 0.0
    assert one_hot_squared_error(certain, torch.tensor([[0]]), torch.tensor([3])).item() == pytest.approx(2 / 3)
