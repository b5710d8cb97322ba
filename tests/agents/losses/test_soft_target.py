from __future__ import annotations

import pytest
import torch

from wmil_agents.losses.soft_target import soft_target_divergence


def test_the_divergence_is_that_of_the_definition() -> None:
    scores, log_probs = torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([[0.3, 0.7], [0.5, 0.5]]).log()
    target = torch.tensor([1.0, 0.0]).div(0.5).softmax(0)
    first = float((target * (target / torch.tensor([0.3, 0.7])).log()).sum())
    assert float(soft_target_divergence(log_probs, scores, 0.5)) == pytest.approx(first / 2)


def test_the_target_itself_costs_nothing() -> None:
    scores = torch.randn(4, 6)
    assert float(soft_target_divergence((scores / 0.1).log_softmax(1), scores, 0.1)) == pytest.approx(0.0, abs=1e-6)
