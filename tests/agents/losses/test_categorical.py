from __future__ import annotations

import math

import pytest
import torch

from wmil_agents.losses.categorical import mean_one_hot_squared_error, one_hot_squared_error, surprises


def test_surprises_are_those_of_each_attribute_and_row() -> None:
    probabilities = torch.tensor([[[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]], [[0.9, 0.1, 0.0], [0.1, 0.1, 0.8]]])  # (B, k, m)
    surprised = surprises(probabilities.permute(1, 2, 0).log(), torch.tensor([[0, 1], [2, 1]]))
    expected = torch.tensor([[math.log(0.5), math.log(0.1)], [math.log(0.5), math.log(0.1)]])
    torch.testing.assert_close(surprised, -expected)


def test_the_mean_squared_error_is_that_of_the_rows_and_attributes() -> None:
    probabilities = torch.tensor([[[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]], [[0.9, 0.1, 0.0], [0.1, 0.1, 0.8]]])
    targets, n_values = torch.tensor([[0, 2], [1, 1]]), torch.tensor([2, 3])
    log_probs = probabilities.permute(1, 2, 0).log()
    mean = mean_one_hot_squared_error(log_probs, surprises(log_probs, targets.t()), n_values)
    torch.testing.assert_close(mean, one_hot_squared_error(probabilities, targets, n_values).mean())


def test_squared_error_of_a_uniform_guess_is_its_textbook_value() -> None:
    uniform = torch.tensor([[[0.5, 0.5, 0.0, 0.0], [0.25] * 4]])
    error = one_hot_squared_error(uniform, torch.tensor([[1, 3]]), torch.tensor([2, 4]))
    assert error.tolist() == [[pytest.approx(1 / 4), pytest.approx(3 / 16)]]


def test_squared_error_is_zero_for_certainty_and_two_nths_for_a_certain_mistake() -> None:
    certain = torch.tensor([[[0.0, 1.0, 0.0]]])
    assert one_hot_squared_error(certain, torch.tensor([[1]]), torch.tensor([3])).item() == 0.0
    assert one_hot_squared_error(certain, torch.tensor([[0]]), torch.tensor([3])).item() == pytest.approx(2 / 3)
