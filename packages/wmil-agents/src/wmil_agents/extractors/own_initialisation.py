"""Protection of a features extractor's own initial weights against Stable-Baselines3's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Self

from stable_baselines3.common.policies import BasePolicy
from torch import nn


class OwnInitialisation(nn.Module):
    """Mixin for a features extractor: `ortho_init` of actor-critic policies leaves it as it was made.

    It is on by default there, and would give every linear layer, those of a transformer's residual branches too,
    orthogonal weights with a gain of sqrt(2). Whatever else is applied to the extractor is applied as ever.
    """

    def apply(self, fn: Callable[[nn.Module], object]) -> Self:
        """As ever, unless it is that initialisation."""
        is_theirs = isinstance(fn, partial) and fn.func is BasePolicy.init_weights
        return self if is_theirs else super().apply(fn)  # type: ignore[arg-type]  # torch asks for a None
