from __future__ import annotations

import pytest
import torch

from wmil_agents.networks.transformer import SelfAttention, Transformer, attend, attention_bias


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randn(6, 5, 16, generator=torch.Generator().manual_seed(0))


def some_absent() -> torch.Tensor:
    present = torch.ones(6, 5, dtype=torch.bool)
    present[0, 2] = present[1, 4] = present[2, 1:] = False
    return present


def test_fused_attention_equals_attention_written_out(tokens: torch.Tensor) -> None:
    attention = SelfAttention(16, 4)
    bias = attention_bias(some_absent(), 5, False, tokens)
    values = attention.qkv(tokens).view(6, 5, 3, 4, 4)[:, :, 2].transpose(1, 2)
    mixed = (attention.weights(tokens, bias) @ values).transpose(1, 2).reshape(6, 5, 16)
    torch.testing.assert_close(attention(tokens, bias), attention.out(mixed))


@pytest.mark.parametrize("n_keys", [2, 3, 4])
@pytest.mark.parametrize("n_queries", [1, 2])
def test_attention_over_few_keys_equals_the_fused_kernel_and_its_gradient(n_keys: int, n_queries: int) -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = n_queries, n_keys, n_keys
    parts = [torch.randn(7, 4, n, 8, generator=generator, dtype=torch.float64, requires_grad=True) for n in sizes]
    query, key, value = parts
    ours = attend(query, key, value, None)
    fused = torch.nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)
    torch.testing.assert_close(ours, fused)
    weights = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    gradients = (torch.autograd.grad(attended, parts, weights) for attended in (ours, fused))
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("read", [slice(1), slice(1, None), slice(-1, None), slice(1, 3)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("n_tokens", [2, 5])
def test_tokens_that_are_read_come_out_as_among_all(
    tokens: torch.Tensor, read: slice, causal: bool, n_tokens: int
) -> None:
    transformer = Transformer(16, 2, 4, causal=causal)
    seen, present = tokens[:, :n_tokens], some_absent()[:, :n_tokens]
    for mask in (None, present):
        torch.testing.assert_close(transformer(seen, mask, read), transformer(seen, mask)[:, read])


@pytest.mark.parametrize("causal", [False, True])
def test_changing_an_absent_token_leaves_the_others_bit_identical(tokens: torch.Tensor, causal: bool) -> None:
    transformer, present = Transformer(16, 2, 4, causal=causal), some_absent()
    changed = torch.where(present[..., None], tokens, 100.0 * torch.ones_like(tokens))
    before, after = transformer(tokens, present), transformer(changed, present)
    assert torch.equal(before[present], after[present])
    assert not torch.equal(before, after)


def test_every_present_token_influences_every_other(tokens: torch.Tensor) -> None:
    transformer = Transformer(16, 2, 4)
    for source in range(5):
        changed = tokens.clone()
        changed[:, source] += 1.0
        difference = (transformer(tokens) - transformer(changed)).abs().sum(-1)
        assert (difference > 0).all()


def test_a_causal_token_does_not_depend_on_later_ones(tokens: torch.Tensor) -> None:
    transformer = Transformer(16, 2, 4, causal=True)
    changed = tokens.clone()
    changed[:, 3] += 1.0
    before, after = transformer(tokens), transformer(changed)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.equal(before[:, 4], after[:, 4])


def test_a_causal_row_may_begin_with_an_absent_token(tokens: torch.Tensor) -> None:
    present = torch.ones(6, 5, dtype=torch.bool)
    present[:, 0] = False
    assert torch.isfinite(Transformer(16, 2, 4, causal=True)(tokens, present)).all()


def test_attention_weights_sum_to_one_and_leave_out_absent_tokens(tokens: torch.Tensor) -> None:
    present = some_absent()
    weights = Transformer(16, 3, 4).attention_weights(tokens, present)
    assert weights.shape == (3, 6, 4, 5, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 6, 4, 5))
    assert (weights.movedim(-1, 2)[:, ~present] == 0).all()


def test_every_parameter_has_a_gradient(tokens: torch.Tensor) -> None:
    transformer = Transformer(16, 2, 4)
    transformer(tokens, some_absent())[:, 0].square().mul(torch.randn(16)).sum().backward()
    assert [name for name, p in transformer.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_training_mode_changes_nothing(tokens: torch.Tensor) -> None:
    transformer = Transformer(16, 2, 4)
    assert torch.equal(transformer.train()(tokens), transformer.eval()(tokens))


def test_a_width_that_the_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="width 10 cannot be divided among 4 heads"):
        Transformer(10, 2, 4)
    with pytest.raises(ValueError, match="at least 1"):
        Transformer(16, 0, 4)
