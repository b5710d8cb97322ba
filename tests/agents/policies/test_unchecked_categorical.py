from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical

from wmil_agents.policies.unchecked_categorical import UncheckedCategorical

LOGITS = torch.randn(40, 8, generator=torch.Generator().manual_seed(0)) * torch.logspace(-2, 2, 40)[:, None]


def unchecked(logits: torch.Tensor) -> UncheckedCategorical:
    return UncheckedCategorical(logits.shape[1]).proba_distribution(logits)


def test_it_says_what_torch_says_and_so_does_its_gradient() -> None:
    logits = LOGITS.double().requires_grad_()
    actions = torch.arange(40) % 8
    ours, torchs = unchecked(logits), Categorical(logits=logits)
    answers = [(one.log_prob(actions), one.entropy()) for one in (ours, torchs)]
    weights = torch.randn(2, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64).unbind()
    gradients = [torch.autograd.grad(answer, logits, weights)[0] for answer in answers]
    torch.testing.assert_close(answers[0], answers[1])
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(ours.distribution.probs, torchs.probs)
    torch.testing.assert_close(ours.distribution.logits, torchs.logits)
    assert torch.equal(ours.mode(), torchs.mode)


@pytest.mark.parametrize("seed", range(5))
def test_it_draws_what_torch_draws(seed: int) -> None:
    draws = []
    for distribution in (unchecked(LOGITS), Categorical(logits=LOGITS)):
        torch.manual_seed(seed)
        draws.append(distribution.sample())
    assert torch.equal(*draws)


def test_what_is_no_number_is_not_drawn_from() -> None:
    with pytest.raises(RuntimeError, match="probability tensor"):
        unchecked(torch.full((3, 8), torch.nan)).sample()
