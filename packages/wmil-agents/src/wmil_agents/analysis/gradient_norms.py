"""How strongly a loss pulls at each layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class GradientNorms:
    """Euclidean norms of a loss's gradient."""

    layers: dict[str, float]
    """Of each layer: the parameters that belong to one module itself, by the module's name; "" for the root's own."""
    total: float
    """Of all together."""
    untouched: tuple[str, ...]
    """Layers that the loss does not depend on; their norm is 0."""


def gradient_norms(loss: Tensor, module: nn.Module) -> GradientNorms:
    """The norms for a scalar loss and a module's parameters; `.grad` stays as it was, and the graph can be used again.

    Raises:
        ValueError: the loss depends on nothing that could have a gradient.
    """
    if not loss.requires_grad:
        raise ValueError("this loss has no gradient: compute it with gradients enabled")
    named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    gradients: Any = torch.autograd.grad(
        loss, [parameter for _, parameter in named], retain_graph=True, allow_unused=True
    )
    squares: dict[str, float] = {}
    touched: set[str] = set()
    for (name, _), gradient in zip(named, gradients, strict=True):
        layer = name.rpartition(".")[0]
        squares.setdefault(layer, 0.0)
        if gradient is not None:
            touched.add(layer)
            squares[layer] += float(gradient.detach().double().square().sum())
    return GradientNorms(
        {layer: square**0.5 for layer, square in squares.items()},
        sum(squares.values()) ** 0.5,
        tuple(layer for layer in squares if layer not in touched),
    )
