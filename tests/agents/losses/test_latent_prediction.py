from __future__ import annotations

import pytest
import torch

from wmil_agents.losses.latent_prediction import latent_prediction_loss, spread


def test_the_loss_depends_on_directions_alone() -> None:
    targets = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert float(latent_prediction_loss(3 * targets, targets)) == pytest.approx(0.0, abs=1e-6)
    assert float(latent_prediction_loss(-targets, targets)) == pytest.approx(4.0)
    assert float(latent_prediction_loss(targets.flip(1), targets)) == pytest.approx(2.0)


def test_the_spread_is_zero_where_everything_is_the_same() -> None:
    assert float(spread(torch.ones(5, 3))) == pytest.approx(0.0, abs=1e-6)
    assert float(spread(torch.zeros(5, 3))) == 0.0
    assert float(spread(torch.tensor([[1.0, 0.0], [-3.0, 0.0]]))) == pytest.approx(1.0)
    assert float(spread(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))) == pytest.approx(0.5)
