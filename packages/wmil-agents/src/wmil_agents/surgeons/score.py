"""The contract of a score: what a model is worth, on the same items every time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import nn

from wmil_agents.surgery.anatomy import HasPolicy

Floats = npt.NDArray[np.float64]
Model = nn.Module | HasPolicy
"""A torch module, or an algorithm of Stable-Baselines3, whose policy is meant."""


class Score(Protocol):
    """Contract: what a model is worth on each of some items, the higher the better.

    A call asks about the same items with the same random numbers, so that two models are compared by differences item
    by item. It runs the model in evaluation mode, and leaves its training flags, and every generator, as found.
    """

    @property
    def weights(self) -> Floats:
        """(n_items,) how much each item counts; they sum to 1."""
        ...

    @property
    def observations(self) -> Any:
        """Observations on which a model can be looked at, always the same: rows, or a dict of such."""
        ...

    @property
    def is_one_forward(self) -> bool:
        """Whether a call is a single forward pass on `observations`, so that whoever watches it sees all of it."""
        ...

    def __call__(self, model: Model) -> Floats:
        """(n_items,) what the model is worth on each."""
        ...


def mean_score(score: Score, model: Model) -> float:
    """What a model is worth, all items together."""
    return float(score.weights @ score(model))


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """A block in which a module is in evaluation mode; each part's training flag is then as found."""
    flags = [(part, part.training) for part in module.modules()]
    module.train(False)
    try:
        yield
    finally:
        for part, is_training in flags:
            part.training = is_training
