"""A pre-norm transformer without dropout, small enough that the overhead per operation decides its speed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def attention_bias(present: Tensor | None, n_tokens: int, causal: bool, like: Tensor) -> Tensor | None:
    """What is added to the attention scores: 0 where a key may be seen, minus infinity where not.

    Args:
        present: (B, n) bool, True where a token exists; None if all do.
        n_tokens: n.
        causal: Whether a token sees only itself and the tokens before it. Each token then sees itself even where it is
            absent, so that no row of the scores is empty; the others still cannot see it.
        like: Gives dtype and device.

    Returns:
        A tensor that broadcasts to (B, heads, n, n), or None where every token sees every token.
    """
    if not causal:
        if present is None:
            return None
        return torch.zeros(present.shape, dtype=like.dtype, device=like.device).masked_fill_(~present, -math.inf)[
            :, None, None, :
        ]
    visible = torch.ones(n_tokens, n_tokens, dtype=torch.bool, device=like.device).tril_()
    if present is not None:
        itself = torch.eye(n_tokens, dtype=torch.bool, device=like.device)
        visible = (visible & present[:, None, None, :]) | itself  # (B, 1, n, n)
    return torch.zeros(visible.shape, dtype=like.dtype, device=like.device).masked_fill_(~visible, -math.inf)


class SelfAttention(nn.Module):
    """Multi-head self-attention with queries, keys and values from one matrix."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """(B, n, width) -> (B, n, width)."""
        # The fused kernel beats matmul, softmax, matmul at every size tried (B 8-1,024, n 2-5): 58 to 96 us at 8 x 4.
        query, key, value = self._project(x)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out: Tensor = self.out(attended.transpose(1, 2).reshape(x.shape))
        return out

    def weights(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Attention weights (B, heads, n queries, n keys), each row summing to 1."""
        query, key, _ = self._project(x)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        return (scores if bias is None else scores + bias).softmax(-1)

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n_rows, n_tokens, width = x.shape
        projected = self.qkv(x).view(n_rows, n_tokens, 3, self.n_heads, width // self.n_heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, n, width / heads)
        return query, key, value


class Block(nn.Module):
    """One pre-norm layer: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, n_heads: int, hidden_width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, n_heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, hidden_width)
        self.mlp_out = nn.Linear(hidden_width, width)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """(B, n, width) -> (B, n, width)."""
        x = x + self.attention(self.attention_norm(x), bias)
        change: Tensor = self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(x))))
        return x + change


class Transformer(nn.Module):
    """A stack of pre-norm blocks with a final layer norm.

    Args:
        width: Size of a token, in and out.
        n_layers: Number of blocks.
        n_heads: Attention heads per block; must divide `width`.
        hidden_width: Hidden units of each block's MLP; 4 x `width` if None.
        causal: Whether a token sees only itself and those before it.
    """

    def __init__(
        self, width: int, n_layers: int, n_heads: int, hidden_width: int | None = None, causal: bool = False
    ) -> None:
        super().__init__()
        if width < 1 or n_layers < 1 or n_heads < 1:
            raise ValueError(f"width, n_layers and n_heads must be at least 1, not {width}, {n_layers} and {n_heads}")
        if width % n_heads:
            raise ValueError(f"width {width} cannot be divided among {n_heads} heads: choose a multiple of {n_heads}")
        self.width = width
        self.causal = causal
        self.blocks = nn.ModuleList(Block(width, n_heads, hidden_width or 4 * width) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, present: Tensor | None = None) -> Tensor:
        """Tokens (B, n, width) -> (B, n, width); no token that `present` (B, n) leaves out is seen by another one.

        Each row needs a token that is present, unless the transformer is causal.
        """
        bias = attention_bias(present, tokens.shape[1], self.causal, tokens)
        for block in self.blocks:
            tokens = block(tokens, bias)
        normed: Tensor = self.norm(tokens)
        return normed

    def attention_weights(self, tokens: Tensor, present: Tensor | None = None) -> Tensor:
        """Every attention weight, (layers, B, heads, n queries, n keys)."""
        bias = attention_bias(present, tokens.shape[1], self.causal, tokens)
        weights = []
        for block in self.blocks:
            assert isinstance(block, Block)
            weights.append(block.attention.weights(block.attention_norm(tokens), bias))
            tokens = block(tokens, bias)
        return torch.stack(weights)
