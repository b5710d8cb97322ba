from __future__ import annotations

import pytest
import torch

from wmil_agents.losses.carry_loss import carry_loss


@pytest.mark.parametrize("value_weight", [0.0, 0.5])
def test_the_carried_loss_has_weight_one_whatever_the_values_weigh(value_weight: float) -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    values = 3.0 * x
    carried = carry_loss(values, x.square().sum())
    assert torch.equal(carried, values)
    (value_weight * carried.sum()).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [value_weight * 3 + 2 * 1, value_weight * 3 + 2 * 2]


def test_several_losses_add_up() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    carry_loss(carry_loss(x * 1.0, x**2), x**3).backward()
    assert x.grad is not None
    assert float(x.grad) == 1 + 2 * 2 + 3 * 4
