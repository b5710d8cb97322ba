"""The contract of an auxiliary loss: a head on a policy's features, and what it should learn from transitions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

Observations = Tensor | dict[str, Tensor]


@dataclass(frozen=True)
class Transitions:
    """A minibatch of (observation, action, next observation), B rows each."""

    observations: Observations
    actions: Tensor
    """As the algorithm hands them to its policy: (B,) for `Discrete`, else (B, action dimensions)."""
    next_observations: Observations
    """Where the step led; at the end of an episode the terminal observation, never the next episode's first."""

    def first(self, n_rows: int) -> Transitions:
        """The first rows."""
        parts = self.observations, self.actions, self.next_observations
        return Transitions(*(_map(lambda rows: rows[:n_rows], part) for part in parts))

    def followed_by(self, other: Transitions) -> Transitions:
        """These rows, then the other ones."""
        return Transitions(
            joined(self.observations, other.observations),
            torch.cat([self.actions, other.actions]),
            joined(self.next_observations, other.next_observations),
        )


def joined(first: Observations, second: Observations) -> Observations:
    """The rows of two batches of observations, one batch after the other."""
    if isinstance(first, dict):
        assert isinstance(second, dict)
        return {name: torch.cat([rows, second[name]]) for name, rows in first.items()}
    assert isinstance(second, Tensor)
    return torch.cat([first, second])


def _map(function: Callable[[Tensor], Tensor], part: Observations) -> Any:
    """The function of a tensor, or of each entry of a dict."""
    return {name: function(rows) for name, rows in part.items()} if isinstance(part, dict) else function(part)


class AuxiliaryLoss(ABC):
    """One more thing for a policy's features to be good for; `attach` makes a stock algorithm learn it.

    It holds settings only, so that it can be saved with the model; what is learnt is in the head that it builds.
    """

    name: str
    """Names the head and the metrics; a word of its own among the losses of one model."""
    scale: float | Callable[[float], float]
    """Weight of the loss, a number or a function of the progress remaining (1 to 0); at 0 nothing is computed."""
    n_replayed: int = 0
    """Past transitions to learn from beside each minibatch, drawn evenly over the (observation, action) pairs seen."""

    @abstractmethod
    def build(
        self, observation_space: spaces.Space[object], action_space: spaces.Space[object], features_dim: int
    ) -> nn.Module:
        """A fresh head; raises `ValueError` where the spaces are none this loss can learn from."""

    @abstractmethod
    def loss(self, head: nn.Module, features: Tensor, transitions: Transitions) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, a scalar, given the observations' features (B, features_dim); and scalars to log, by name."""

    def scale_at(self, progress_remaining: float) -> float:
        """The weight at this point of training, from 1 (start) to 0 (end)."""
        scale = self.scale(progress_remaining) if callable(self.scale) else self.scale
        if scale < 0.0:
            raise ValueError(f"the scale of the {self.name} loss must not be negative, as {scale} is")
        return scale
