"""The contract of an auxiliary loss: a head on a policy's features, and what it should learn from transitions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from gymnasium import spaces
from torch import Tensor, nn


@dataclass(frozen=True)
class Transitions:
    """A minibatch of (observation, action, next observation), B rows each."""

    observations: Tensor | dict[str, Tensor]
    actions: Tensor
    """As the algorithm hands them to its policy: (B,) for `Discrete`, else (B, action dimensions)."""
    next_observations: Tensor | dict[str, Tensor]
    """Where the step led; at the end of an episode the terminal observation, never the next episode's first."""


class AuxiliaryLoss(ABC):
    """One more thing for a policy's features to be good for; `attach` makes a stock algorithm learn it.

    It holds settings only, so that it can be saved with the model; what is learnt is in the head that it builds.
    """

    name: str
    """Names the head and the metrics; a word of its own among the losses of one model."""
    scale: float | Callable[[float], float]
    """Weight of the loss, a number or a function of the progress remaining (1 to 0); at 0 nothing is computed."""

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
