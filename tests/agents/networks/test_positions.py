from __future__ import annotations

import math

import pytest
import torch

from wmil_agents.networks.positions import RotaryPositions, TracePositions, make_positions, rotated, trace_bias
from wmil_agents.networks.transformer import SelfAttention, Transformer

KINDS = ("learned", "rotary", "trace")


def transformer(kind: str, n_layers: int = 2) -> Transformer:
    torch.manual_seed(0)
    positions = make_positions(kind, 6, 16, 4, 0.9)
    return Transformer(16, n_layers, 4, causal=True, positions=positions)


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randn(3, 6, 16, generator=torch.Generator().manual_seed(1))


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 8).expand(2, 1, 1, 12, 8)
    rotary = RotaryPositions(12, 8)
    scores = (rotary.rotate(query) @ rotary.rotate(key).transpose(-1, -2))[0, 0]
    torch.testing.assert_close(scores[3:, 3:], scores[:-3, :-3])
    assert not torch.allclose(scores[5, 5], scores[5, 2])


def test_a_rotation_turns_each_pair_by_its_angle_and_keeps_its_length() -> None:
    angle = torch.tensor([[math.pi / 2, math.pi]])
    turned = rotated(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), angle.cos(), angle.sin())
    torch.testing.assert_close(turned, torch.tensor([[-3.0, -2.0, 1.0, -4.0]]))


def test_the_speeds_of_rotation_are_those_of_the_paper() -> None:
    rotary = RotaryPositions(4, 4)
    torch.testing.assert_close(rotary.cosines[3], torch.tensor([math.cos(3.0), math.cos(0.03)]))
    torch.testing.assert_close(rotary.sines[3], torch.tensor([math.sin(3.0), math.sin(0.03)]))


def test_the_trace_bias_is_the_logarithm_of_the_eligibility_trace() -> None:
    gamma_lambda = 0.99 * 0.95
    bias = trace_bias(4, gamma_lambda)
    for query in range(4):
        for key in range(query + 1):
            assert bias[query, key].exp().item() == pytest.approx(gamma_lambda ** (query - key), rel=1e-6)


def test_equal_scores_attend_in_proportion_to_the_trace(tokens: torch.Tensor) -> None:
    network = Transformer(16, 1, 4, causal=True, positions=TracePositions(6, 0.5))
    attention = network.blocks[0].attention
    assert isinstance(attention, SelfAttention)
    with torch.no_grad():
        attention.qkv.weight[:32] = 0.0
        attention.qkv.bias[:32] = 0.0
    newest = network.attention_weights(tokens)[0, 0, 0, -1]
    expected = torch.tensor([0.5**distance for distance in (5, 4, 3, 2, 1, 0)])
    torch.testing.assert_close(newest, expected / expected.sum())


def test_a_trace_without_decay_is_no_position(tokens: torch.Tensor) -> None:
    flat, none = (
        Transformer(16, 2, 4, causal=True, positions=TracePositions(6, 1.0)),
        Transformer(16, 2, 4, causal=True),
    )
    none.load_state_dict(flat.state_dict())
    assert torch.equal(flat(tokens), none(tokens))


@pytest.mark.parametrize("kind", KINDS)
def test_order_matters(kind: str, tokens: torch.Tensor) -> None:
    network, plain = transformer(kind), Transformer(16, 2, 4, causal=True)
    swapped = tokens[:, [1, 0, 2, 3, 4, 5]]
    assert not torch.allclose(network(tokens)[:, -1], network(swapped)[:, -1], atol=1e-5)
    one_layer, plain = transformer(kind, 1), Transformer(16, 1, 4, causal=True)
    assert not torch.allclose(one_layer(tokens)[:, -1], one_layer(swapped)[:, -1], atol=1e-6)
    torch.testing.assert_close(plain(tokens)[:, -1], plain(swapped)[:, -1])


@pytest.mark.parametrize("kind", KINDS)
def test_fused_attention_equals_attention_written_out(kind: str, tokens: torch.Tensor) -> None:
    network = transformer(kind, 1)
    placed, bias = network._placed(tokens, None)
    attention = network.blocks[0].attention
    assert isinstance(attention, SelfAttention)
    values = attention.qkv(placed).view(3, 6, 3, 4, 4)[:, :, 2].transpose(1, 2)
    weights = attention.weights(placed, bias, network.positions)
    mixed = (weights @ values).transpose(1, 2).reshape(3, 6, 16)
    torch.testing.assert_close(attention(placed, bias, network.positions), attention.out(mixed))


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_the_newest_alone_equals_the_newest_of_all(kind: str | None, tokens: torch.Tensor) -> None:
    present = torch.ones(3, 6, dtype=torch.bool)
    present[0, :5] = present[1, :2] = False
    for n_layers in (1, 2):
        network = Transformer(16, n_layers, 4, causal=True) if kind is None else transformer(kind, n_layers)
        torch.testing.assert_close(network.newest(tokens, present), network(tokens, present)[:, -1])
        torch.testing.assert_close(network.newest(tokens), network(tokens)[:, -1])
    whole = Transformer(16, 2, 4)
    torch.testing.assert_close(whole.newest(tokens), whole(tokens)[:, -1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_shorter_sequence_ends_at_the_same_position(kind: str, tokens: torch.Tensor) -> None:
    network = transformer(kind)
    present = torch.ones(3, 6, dtype=torch.bool)
    present[:, :2] = False
    torch.testing.assert_close(network(tokens[:, 2:])[:, -1], network(tokens, present)[:, -1])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="must be even, not 3"):
        RotaryPositions(4, 3)
    for decay in (0.0, 1.1):
        with pytest.raises(ValueError, match="at most 1"):
            TracePositions(4, decay)
    with pytest.raises(ValueError, match="learned, rotary or trace, not 'sine'"):
        make_positions("sine", 4, 8, 2, 0.9)
