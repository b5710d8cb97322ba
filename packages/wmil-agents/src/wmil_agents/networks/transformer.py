"""A pre-norm transformer without dropout, small enough that the overhead per operation decides its speed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wmil_agents.networks.positions import Positions

ALL = slice(None)
FEW_KEYS = 3


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


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """softmax(Q K^T / sqrt(d) + bias) V, from (B, heads, n, d) each to (B, m, heads, d) for m queries.

    Over two keys a softmax is a sigmoid of how much better the first one fits, and over three it is sums of products:
    at 512 rows .6 ms forward and backward instead of the fused kernel's 2.2 (2 keys). Over more, the kernel is quicker.
    """
    if bias is not None or key.shape[2] > FEW_KEYS:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias).transpose(1, 2)
    queries, scale = query.transpose(1, 2), 1.0 / math.sqrt(query.shape[-1])  # (B, m, heads, d)
    if key.shape[2] == 2:
        (first_key, second_key), (first, second) = key.unbind(2), value.unbind(2)  # (B, heads, d) each
        lead = (queries * ((first_key - second_key) * scale)[:, None]).sum(-1, keepdim=True)  # (B, m, heads, 1)
        return second[:, None].lerp(first[:, None], lead.sigmoid())
    keys, values = key.permute(2, 0, 1, 3)[:, :, None], value.permute(2, 0, 1, 3)[:, :, None]  # (n, B, 1, heads, d)
    weights = ((queries * keys).sum(-1) * scale).softmax(0)  # (n, B, m, heads)
    return (weights[..., None] * values).sum(0)


class SelfAttention(nn.Module):
    """Multi-head self-attention with queries, keys and values from one matrix."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None, positions: Positions | None = None, read: slice = ALL) -> Tensor:
        """(B, n, width) -> (B, m, width), for the m tokens that are read; `bias` has the rows of these."""
        if read == ALL:
            query, key, value = self._project(x, positions)
        else:
            width = x.shape[-1]
            query = self._heads(F.linear(x[:, read], self.qkv.weight[:width], self.qkv.bias[:width]))
            key, value = map(self._heads, F.linear(x, self.qkv.weight[width:], self.qkv.bias[width:]).chunk(2, dim=-1))
            if positions is not None:
                query, key = positions.rotate(query), positions.rotate(key)
        attended = attend(query, key, value, bias)
        out: Tensor = self.out(attended.flatten(2))
        return out

    def weights(self, x: Tensor, bias: Tensor | None, positions: Positions | None = None) -> Tensor:
        """Attention weights (B, heads, n queries, n keys), each row summing to 1."""
        query, key, _ = self._project(x, positions)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        return (scores if bias is None else scores + bias).softmax(-1)

    def _project(self, x: Tensor, positions: Positions | None = None) -> tuple[Tensor, Tensor, Tensor]:
        n_rows, n_tokens, width = x.shape
        projected = self.qkv(x).view(n_rows, n_tokens, 3, self.n_heads, width // self.n_heads)
        # Taken apart along the axis they lie on, so that the gradient is put together once and not copied again.
        query, key, value = (part.transpose(1, 2) for part in projected.unbind(2))  # (B, heads, n, width / heads)
        if positions is not None:
            query, key = positions.rotate(query), positions.rotate(key)
        return query, key, value

    def _heads(self, x: Tensor) -> Tensor:
        """(B, n, width) -> (B, heads, n, width / heads)."""
        n_rows, n_tokens, width = x.shape
        return x.view(n_rows, n_tokens, self.n_heads, width // self.n_heads).transpose(1, 2)


class Block(nn.Module):
    """One pre-norm layer: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, n_heads: int, hidden_width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, n_heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, hidden_width)
        self.mlp_out = nn.Linear(hidden_width, width)

    def forward(self, x: Tensor, bias: Tensor | None, positions: Positions | None = None, read: slice = ALL) -> Tensor:
        """(B, n, width) -> (B, m, width), for the m tokens that are read; `bias` has the rows of these."""
        x = x[:, read] + self.attention(self.attention_norm(x), bias, positions, read)
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
        positions: How tokens are told where they stand; not at all if None.
    """

    def __init__(
        self,
        width: int,
        n_layers: int,
        n_heads: int,
        hidden_width: int | None = None,
        causal: bool = False,
        positions: Positions | None = None,
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
        self.positions = positions

    def forward(self, tokens: Tensor, present: Tensor | None = None, read: slice = ALL) -> Tensor:
        """Tokens (B, n, width) -> (B, m, width), those that are read; `present` (B, n) says which may be seen.

        Each row needs a token that is present, unless the transformer is causal. Of tokens that are not read the last
        block needs nothing but keys and values, which saves half of its work for them or more.
        """
        tokens, bias = self._placed(tokens, present)
        *blocks, last = self.blocks
        for block in blocks:
            tokens = block(tokens, bias, self.positions)
        if bias is not None and bias.shape[-2] > 1:
            bias = bias[..., read, :]
        normed: Tensor = self.norm(last(tokens, bias, self.positions, read))
        return normed

    def newest(self, tokens: Tensor, present: Tensor | None = None) -> Tensor:
        """Tokens (B, n, width) -> (B, width): the last one that `forward` gives, without the work for the others."""
        newest: Tensor = self(tokens, present, read=slice(-1, None))[:, 0]
        return newest

    def attention_weights(self, tokens: Tensor, present: Tensor | None = None) -> Tensor:
        """Every attention weight, (layers, B, heads, n queries, n keys)."""
        tokens, bias = self._placed(tokens, present)
        weights = []
        for block in self.blocks:
            assert isinstance(block, Block)
            weights.append(block.attention.weights(block.attention_norm(tokens), bias, self.positions))
            tokens = block(tokens, bias, self.positions)
        return torch.stack(weights)

    def _placed(self, tokens: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The tokens told where they stand, and what is added to the attention scores."""
        bias = attention_bias(present, tokens.shape[1], self.causal, tokens)
        if self.positions is None:
            return tokens, bias
        order = self.positions.bias(tokens.shape[1])
        if order is not None:
            bias = order if bias is None else bias + order
        return self.positions.place(tokens), bias
