"""A small transformer, and bits that can be compared."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from wmil_agents.networks.transformer import Transformer

Bits = Callable[[nn.Module], dict[str, bytes]]


def bits_of(module: nn.Module) -> dict[str, bytes]:
    """Every parameter and buffer as bytes."""

    def as_bytes(tensor: Tensor) -> bytes:
        return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()

    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: as_bytes(tensor) for name, tensor in named}


@pytest.fixture
def bits() -> Bits:
    """Every parameter and buffer of a module as bytes."""
    return bits_of


@pytest.fixture
def transformer() -> Transformer:
    """Two layers of four heads, with values that make exactness hard: -0.0, infinity, NaN and a subnormal."""
    torch.manual_seed(0)
    model = Transformer(width=16, n_layers=2, n_heads=4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.view(-1)[:2] = torch.tensor([-0.0, 1e-42])
        model.norm.bias[2:4] = torch.tensor([torch.nan, -torch.inf])
    return model
