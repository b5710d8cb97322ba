from __future__ import annotations

import pytest
import torch

from wmil_agents.losses.possible_actions import possible_actions_loss

LOGITS = torch.tensor([[0.0, 1.0, 2.0], [0.5, -0.5, 0.25]])
POSSIBLE = torch.tensor([[True, True, False], [False, True, False]])


def test_the_loss_is_the_equation() -> None:
    p = LOGITS.softmax(1)
    expected = -((1 - p[0, 2]).log() + p[1, 1].log()) / 2
    torch.testing.assert_close(possible_actions_loss(LOGITS.log_softmax(1), POSSIBLE), expected)


@pytest.mark.parametrize("logit", [0.0, 5.0, 200.0])
def test_the_gradient_stays_finite_however_sure_the_policy_is_of_a_failure(logit: float) -> None:
    logits = torch.tensor([[0.0, 0.0, logit]], requires_grad=True)
    possible_actions_loss(logits.log_softmax(1), POSSIBLE[:1]).backward()
    assert logits.grad is not None
    assert float(logits.grad[0, 2]) == pytest.approx(float(logits.detach().softmax(1)[0, 2]), abs=1e-5)
