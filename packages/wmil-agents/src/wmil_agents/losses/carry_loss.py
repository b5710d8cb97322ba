"""A loss that rides on another tensor's backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _CarryLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, loss: Tensor) -> Tensor:
        ctx.loss_like = loss
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        return grads[0], torch.ones_like(ctx.loss_like)


def carry_loss(values: Tensor, loss: Tensor) -> Tensor:
    """Returns `values` unchanged; whoever differentiates through them differentiates the scalar `loss` as well.

    d(L + loss) is what `L.backward()` then computes for any L that depends on the returned values, with the loss's own
    weight of 1, whatever weight L gives the values (the mixture-of-experts trick of Megatron-LM's auxiliary losses).
    """
    carried: Tensor = _CarryLoss.apply(values, loss)  # type: ignore[no-untyped-call]  # torch types apply so
    return carried
