from __future__ import annotations

import pytest
import torch

from wmil_agents.losses.all_actions import all_actions_loss

LOGITS = torch.tensor([[0.3, -1.2, 0.8, 0.0], [2.0, 0.1, -0.5, 1.0]], dtype=torch.float64)
SCORES = torch.tensor([[0.0, 1.0, 0.25, 0.5], [0.9, 0.0, 0.0, 1.0]], dtype=torch.float64)


def gradient(loss_of: object, logits: torch.Tensor) -> torch.Tensor:
    logits = logits.clone().requires_grad_()
    loss_of(logits.log_softmax(1)).backward()
    assert logits.grad is not None
    return logits.grad


def test_it_is_minus_the_expected_score() -> None:
    log_probs = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log()
    scores = torch.tensor([[1.0, 0.0], [1.0, 0.2]])
    assert float(all_actions_loss(log_probs, scores)) == pytest.approx(-(0.5 + 0.25 + 0.15) / 2)


@pytest.mark.parametrize("baseline", [0.0, 0.25, "expected score"])
def test_the_gradient_is_the_expectation_of_the_sampled_one_whatever_the_baseline(baseline: float | str) -> None:
    probabilities = LOGITS.softmax(1)
    b = (probabilities * SCORES).sum(1) if baseline == "expected score" else torch.full((2,), float(baseline))
    expectation = torch.zeros_like(LOGITS)
    for action in range(4):
        sampled = gradient(lambda log_probs, a=action: (-(SCORES[:, a] - b) * log_probs[:, a]).mean(), LOGITS)
        expectation += probabilities[:, action, None] * sampled  # a row's gradient concerns its own logits alone
    # 64-bit floats, whose terms are added in another order
    torch.testing.assert_close(
        gradient(lambda log_probs: all_actions_loss(log_probs, SCORES), LOGITS), expectation, rtol=1e-12, atol=1e-15
    )


def test_it_vanishes_at_a_sure_and_right_policy_where_the_tempting_loss_does_not() -> None:
    sure = torch.zeros(2, 4, dtype=torch.float64)
    sure[[0, 1], SCORES.argmax(1)] = 60.0
    centred = SCORES - SCORES.mean(1, keepdim=True)
    assert gradient(lambda log_probs: all_actions_loss(log_probs, SCORES), sure).abs().max() < 1e-20
    assert gradient(lambda log_probs: -(log_probs * centred).sum(1).mean(), sure).abs().max() > 0.1
