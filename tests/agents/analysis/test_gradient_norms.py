import pytest
import torch
from torch import nn

from wmil_agents.analysis.gradient_norms import gradient_norms


def test_the_norms_are_those_worked_out_by_hand() -> None:
    module = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0], [2.0]]))
        module[0].bias.zero_()
        module[1].weight.copy_(torch.tensor([[3.0, 4.0]]))
        module[1].bias.zero_()
    # y = 3 (x + b1) + 4 (2x + b2) + c at x = 2: dy/dw1 = (6, 8), dy/db = (3, 4); dy/dw2 = (2, 4), dy/dc = 1
    norms = gradient_norms(module(torch.tensor([[2.0]])).sum(), module)
    assert norms.layers["0"] == pytest.approx((36 + 64 + 9 + 16) ** 0.5)
    assert norms.layers["1"] == pytest.approx((4 + 16 + 1) ** 0.5)
    assert norms.total == pytest.approx((125 + 21) ** 0.5)
    assert norms.untouched == ()


def test_gradients_that_are_there_stay_and_the_graph_can_be_used_again() -> None:
    module = nn.Linear(2, 1)
    loss = module(torch.ones(1, 2)).sum()
    module.weight.grad = torch.full((1, 2), 7.0)
    gradient_norms(loss, module)
    assert module.weight.grad.tolist() == [[7.0, 7.0]]
    assert gradient_norms(loss, module).total == pytest.approx(3**0.5)


def test_a_layer_that_is_cut_off_is_named() -> None:
    module = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])
    norms = gradient_norms(module[0](torch.ones(1, 1)).sum(), module)
    assert norms.layers["1"] == 0.0
    assert norms.untouched == ("1",)


def test_a_loss_without_gradient_is_refused() -> None:
    with pytest.raises(ValueError, match="no gradient"):
        gradient_norms(torch.zeros(()), nn.Linear(1, 1))
