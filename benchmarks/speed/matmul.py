"""The speed limit of a learner: how many floating-point operations it needs, and how many this machine makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

SIZE = 768
"""Rows and columns of the square matrices: large enough that nothing but arithmetic counts."""


def sgemm() -> tuple[Callable[[], object], int]:
    """A product of two square float32 matrices, and the floating-point operations it makes."""
    left, right, product = (torch.rand(SIZE, SIZE) for _ in range(3))
    return lambda: torch.mm(left, right, out=product), 2 * SIZE**3


def matmul_operations(function: Callable[[], object]) -> int:
    """Floating-point operations of all matrix products that a call makes, backward passes included.

    Every fused attention kernel counts as the two products it is made of, four in the backward pass; a transformer's
    fused inference path, which cannot be counted, is switched off meanwhile.
    """
    aten = torch.ops.aten
    fused = {
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    }
    was_enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False, custom_mapping=fused) as counter:
            function()
    finally:
        torch.backends.mha.set_fastpath_enabled(was_enabled)
    return int(counter.get_total_flops())


def _attention(query: Sequence[int], key: Sequence[int], *_: Any, **__: Any) -> int:
    """Q K^T and the weighted sum of V: 4 B h n_q n_k d; shapes are (B, h, n, d)."""
    n_rows, n_heads, n_queries, width = query
    return 4 * n_rows * n_heads * n_queries * key[2] * width


def _attention_backward(_: Sequence[int], query: Sequence[int], key: Sequence[int], *__: Any, **___: Any) -> int:
    """The gradients of Q, K, V and of the weights, one product each."""
    return 2 * _attention(query, key)
