"""Where a token stands in its sequence, told to a transformer in one of three ways."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

PositionKind = Literal["learned", "rotary", "trace"]

ROTARY_BASE = 10_000.0


class Positions(nn.Module):
    """Contract: a subclass changes one of the three places where positions can enter; the others stay as they are."""

    def place(self, tokens: Tensor) -> Tensor:
        """The tokens (B, n, width) that the first block gets."""
        return tokens

    def rotate(self, vectors: Tensor) -> Tensor:
        """The queries or keys (B, heads, n, width / heads) that are multiplied."""
        return vectors

    def bias(self, n_tokens: int) -> Tensor | None:
        """What is added to the scores, (n queries, n keys); None for nothing."""
        return None


class LearnedPositions(Positions):
    """A learned vector for each distance from the newest token, added to the tokens.

    Args:
        n_tokens: The longest sequence.
        width: Size of a token.
    """

    def __init__(self, n_tokens: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(0.02 * torch.randn(n_tokens, width))

    def place(self, tokens: Tensor) -> Tensor:
        """Tokens + their vectors; the last token always has the last one."""
        return tokens + self.table[-tokens.shape[1] :]


class RotaryPositions(Positions):
    """Queries and keys rotated by angles proportional to their position, so that a score depends on their distance.

    The pair (x_i, x_{i + d/2}) of a head's vector at position p is turned by p / base^(2 i / d) (Su et al., 2021).

    Args:
        n_tokens: The longest sequence.
        head_width: Size of a head's vectors; must be even.
    """

    cosines: Tensor
    sines: Tensor

    def __init__(self, n_tokens: int, head_width: int) -> None:
        super().__init__()
        if head_width % 2:
            raise ValueError(f"rotary positions turn pairs, so a head's width must be even, not {head_width}")
        speeds = ROTARY_BASE ** (-torch.arange(0, head_width, 2, dtype=torch.float64) / head_width)
        angles = torch.arange(n_tokens, dtype=torch.float64)[:, None] * speeds  # (n, head_width / 2)
        self.register_buffer("cosines", angles.cos().float(), persistent=False)
        self.register_buffer("sines", angles.sin().float(), persistent=False)

    def rotate(self, vectors: Tensor) -> Tensor:
        """The vectors, each pair of elements turned; the last vector always has the last position."""
        n_tokens = vectors.shape[-2]
        return rotated(vectors, self.cosines[-n_tokens:], self.sines[-n_tokens:])


class TracePositions(Positions):
    """A penalty on distance that leaves each step the weight of an eligibility trace: (gamma lambda)^distance.

    log(gamma lambda) x distance is added to every score, so before the softmax's normalisation the weight of a key is
    exp(score) (gamma lambda)^distance. The form is that of attention with linear biases (Press et al., 2022).

    Args:
        n_tokens: The longest sequence.
        decay: gamma lambda, above 0 and at most 1 (which is no penalty).
    """

    penalties: Tensor

    def __init__(self, n_tokens: int, decay: float) -> None:
        super().__init__()
        if not 0.0 < decay <= 1.0:
            raise ValueError(f"the decay of a trace must be above 0 and at most 1, not {decay}")
        self.register_buffer("penalties", trace_bias(n_tokens, decay), persistent=False)

    def bias(self, n_tokens: int) -> Tensor:
        """log(decay) |i - j|."""
        return self.penalties[:n_tokens, :n_tokens]


def rotated(vectors: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Vectors (..., n, d) with the pairs (x_i, x_{i + d/2}) turned by angles given as cosines and sines (n, d / 2)."""
    first, second = vectors.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=-1)


def trace_bias(n_tokens: int, decay: float) -> Tensor:
    """(n, n): log(decay) |i - j| for query i and key j."""
    places = torch.arange(n_tokens)
    return math.log(decay) * (places[:, None] - places).abs().float()


def make_positions(kind: PositionKind, n_tokens: int, width: int, n_heads: int, trace_decay: float) -> Positions:
    """Positions of that kind for sequences of up to `n_tokens`.

    Args:
        kind: `"learned"`, `"rotary"` or `"trace"`.
        n_tokens: The longest sequence.
        width: Size of a token.
        n_heads: Attention heads that share it.
        trace_decay: gamma lambda, for `"trace"`.
    """
    match kind:
        case "learned":
            return LearnedPositions(n_tokens, width)
        case "rotary":
            return RotaryPositions(n_tokens, width // n_heads)
        case "trace":
            return TracePositions(n_tokens, trace_decay)
        case _:
            raise ValueError(f"positions must be learned, rotary or trace, not {kind!r}")
