"""Hooks that read the heads of one attention module while it runs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from wmil_agents.networks.positions import Positions
from wmil_agents.networks.transformer import ALL, SelfAttention

SMALLEST = 1e-8
"""Of a root mean square, so that its logarithm is a number."""
FEW_KEYS = 6
LOG_RMS_BOUNDS = (-20.0, 90.0)
"""Between the logarithms of that and of the largest number of float32."""


class HeadWatch(ABC):
    """Sums over forwards what the heads of an attention module do.

    Args:
        n_heads: how many it has.
    """

    def __init__(self, n_heads: int) -> None:
        self.n_heads = n_heads
        self._handles: list[RemovableHandle] = []
        self._entropy: Tensor
        self._square: Tensor
        self._n_entropies: float
        self._n_squares: float
        self._forget()

    def begin(self) -> None:
        """Watches from now on, and forgets what was seen before."""
        self._forget()
        self._handles = self.hooked()

    def end(self) -> None:
        """Watches no more."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    @abstractmethod
    def hooked(self) -> list[RemovableHandle]:
        """The hooks, which call `see_weights` and `see_output`."""

    def see_weights(self, weights: Tensor, bias: Tensor | None, queries: Tensor | None) -> None:
        """Takes note of attention weights.

        Args:
            weights: (B, heads, m, n), each row summing to 1.
            bias: what was added to the scores, minus infinity for keys that cannot be seen; None if all can.
            queries: (B, 1, m) 1 where a query counts, else 0; None if all do.
        """
        entropy = torch.special.entr(weights).sum(-1)
        if bias is None:
            entropy = entropy / math.log(max(2, weights.shape[-1]))
        else:
            n_keys = (bias > -math.inf).sum(-1)
            entropy = entropy / n_keys.clamp_min(2).log()
        total, count = _total(entropy, queries)
        self._entropy, self._n_entropies = self._entropy + total, self._n_entropies + count

    def see_output(self, output: Tensor, queries: Tensor | None) -> None:
        """Takes note of what the heads put out, (B, heads, m, width / heads)."""
        total, count = _total(output.square().mean(-1), queries)
        self._square, self._n_squares = self._square + total, self._n_squares + count

    def entropies(self) -> Tensor:
        """(heads,) mean entropy as a share of the highest possible; 0 if nothing ran."""
        return (self._entropy / max(1.0, self._n_entropies)).clamp(0.0, 1.0)

    def log_rms(self) -> Tensor:
        """(heads,) the logarithm of the root mean square of the output; 0 if nothing ran."""
        if not self._n_squares:
            return self._square
        return (self._square / self._n_squares).sqrt().clamp_min(SMALLEST).log()

    def _forget(self) -> None:
        self._entropy, self._square = torch.zeros(self.n_heads), torch.zeros(self.n_heads)
        self._n_entropies = self._n_squares = 0.0


class OurHeads(HeadWatch):
    """Those of our `SelfAttention`."""

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__(attention.n_heads)
        self._attention = attention
        self._queries: Tensor | None = None

    def hooked(self) -> list[RemovableHandle]:
        """At what the module is given, and at what its output projection is given."""
        return [
            self._attention.register_forward_pre_hook(self._given, with_kwargs=True),
            self._attention.out.register_forward_pre_hook(self._put_out),
        ]

    @torch.no_grad()
    def _given(self, attention: SelfAttention, args: Any, kwargs: Any) -> None:
        self._see(attention, *args, **kwargs)

    def _see(
        self,
        attention: SelfAttention,
        x: Tensor,
        bias: Tensor | None,
        positions: Positions | None = None,
        read: slice = ALL,
    ) -> None:
        width = x.shape[-1]
        weight, offset = attention.qkv.weight, attention.qkv.bias
        if read == ALL:
            both = F.linear(x, weight[: 2 * width], offset[: 2 * width])
            query, key = (_by_head(half, self.n_heads) for half in both.chunk(2, dim=-1))
        else:
            query = _by_head(F.linear(x[:, read], weight[:width], offset[:width]), self.n_heads)
            key = _by_head(F.linear(x, weight[width : 2 * width], offset[width : 2 * width]), self.n_heads)
        if positions is not None:
            query, key = positions.rotate(query), positions.rotate(key)
        scores = _scores(query, key)
        self._queries = None
        if bias is not None:
            scores = scores + bias
            if bias.shape[-2] == 1:  # the same for every query: it hides absent tokens, whose own queries nobody reads
                self._queries = (bias[..., 0, read] > -math.inf).to(x.dtype)
        self.see_weights(scores.softmax(-1), bias, self._queries)

    @torch.no_grad()
    def _put_out(self, module: nn.Module, args: tuple[Tensor]) -> None:
        self.see_output(_by_head(args[0], self.n_heads), self._queries)


class TorchHeads(HeadWatch):
    """Those of `nn.MultiheadAttention`.

    Raises:
        ValueError: it adds keys of its own.
    """

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        if attention.bias_k is not None or attention.add_zero_attn:
            raise ValueError("the heads of nn.MultiheadAttention with add_bias_kv or add_zero_attn cannot be read")
        super().__init__(attention.num_heads)
        self._attention = attention

    def hooked(self) -> list[RemovableHandle]:
        """At what the module is given."""
        return [self._attention.register_forward_pre_hook(self._given, with_kwargs=True)]

    @torch.no_grad()
    def _given(self, attention: nn.MultiheadAttention, args: Any, kwargs: Any) -> None:
        self._see(attention, *args, **kwargs)

    def _see(
        self,
        attention: nn.MultiheadAttention,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        **others: Any,
    ) -> None:
        given = [query, key, value]
        if query.dim() == 2:
            given = [tensor.unsqueeze(0) for tensor in given]
        elif not attention.batch_first:
            given = [tensor.transpose(0, 1) for tensor in given]
        offset: Tensor | None = attention.in_proj_bias
        offsets = [None] * 3 if offset is None else offset.chunk(3)
        queries, keys, values = (
            _by_head(F.linear(tensor, weight, offset), self.n_heads)
            for tensor, weight, offset in zip(given, _projections(attention), offsets, strict=True)
        )
        scores = _scores(queries, keys)
        bias = self._bias(scores, key_padding_mask, attn_mask)
        weights = (scores if bias is None else scores + bias).softmax(-1)
        self.see_weights(weights, bias, None)
        self.see_output(weights @ values, None)

    def _bias(self, scores: Tensor, padding: Tensor | None, mask: Tensor | None) -> Tensor | None:
        """What both masks add to the scores, broadcasting to (B, heads, m, n)."""
        bias = None
        if mask is not None:
            bias = _added(mask, scores)
            if mask.dim() == 3:
                bias = bias.view(-1, self.n_heads, *mask.shape[1:])
        if padding is not None:
            hidden = _added(padding, scores).view(-1, 1, 1, padding.shape[-1])
            bias = hidden if bias is None else bias + hidden
        return bias


def _projections(attention: nn.MultiheadAttention) -> list[Tensor]:
    """The matrices of queries, keys and values."""
    whole: Tensor | None = attention.in_proj_weight
    if whole is not None:
        return list(whole.chunk(3))
    return [attention.q_proj_weight, attention.k_proj_weight, attention.v_proj_weight]


def _scores(query: Tensor, key: Tensor) -> Tensor:
    """Q K^T / sqrt(d), from (B, heads, m, d) and (B, heads, n, d) to (B, heads, m, n).

    Over few keys sums of products take half the time of batched matrices (.13 instead of .32 ms, 168 rows of 4 tokens).
    """
    if key.shape[2] > FEW_KEYS:
        products = query @ key.transpose(-1, -2)
    else:
        products = (query[..., :, None, :] * key[..., None, :, :]).sum(-1)
    return products / math.sqrt(query.shape[-1])


def _by_head(x: Tensor, n_heads: int) -> Tensor:
    """(B, m, width) -> (B, heads, m, width / heads)."""
    return x.view(*x.shape[:2], n_heads, x.shape[2] // n_heads).transpose(1, 2)


def _added(mask: Tensor, like: Tensor) -> Tensor:
    """A mask as what is added to scores; True in a mask of booleans means that a key cannot be seen."""
    if mask.dtype != torch.bool:
        return mask.to(like.dtype)
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill_(mask, -math.inf)


def _total(numbers: Tensor, queries: Tensor | None) -> tuple[Tensor, float]:
    """The sum (heads,) of numbers (B, heads, m) over the queries that count, and how many these are."""
    if queries is None:
        return numbers.sum((0, 2)), float(numbers.shape[0] * numbers.shape[2])
    counting = queries.expand(numbers.shape[0], 1, numbers.shape[2])
    return (numbers * counting).sum((0, 2)), float(counting.sum())
