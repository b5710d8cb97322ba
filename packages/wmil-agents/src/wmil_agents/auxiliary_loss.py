"""The contract of an auxiliary loss: a head on a policy's features, and what it should learn from transitions."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from wmil_agents.buffers.next_observation_buffer import FutureDraw
from wmil_envs.integer import checked_integer

__all__ = ["AuxiliaryLoss", "FutureDraw", "Futures", "Observations", "Transitions", "check_losses", "joined"]

Observations = Tensor | dict[str, Tensor]
TAKEN_NAMES = ("value", "policy", "policy_gradient", "entropy", "actor", "critic", "ent_coef")
"""Stable-Baselines3 logs `train/<name>_loss` of these itself."""


@dataclass(frozen=True)
class Futures:
    """A later step of the same episode for K rows of a minibatch, as a loss's `FutureDraw` asks."""

    rows: Tensor
    """(K,) places of the K rows in the minibatch."""
    offsets: Tensor
    """(K,) how many steps later each is, at least 1."""
    observations: Observations
    """K observations of the rollout."""
    features: Tensor
    """Their features (K, features_dim), with gradients."""


@dataclass(frozen=True)
class Transitions:
    """A minibatch of (observation, action, next observation), B rows each; and what a loss asked for besides."""

    observations: Observations
    actions: Tensor
    """As the algorithm hands them to its policy: (B,) for `Discrete`, else (B, action dimensions)."""
    next_observations: Observations
    """Where the step led; at the end of an episode the terminal observation, never the next episode's first."""
    futures: Futures | None = None
    """Later steps, for a loss whose `futures` asks for some."""
    action_scores: Tensor | None = None
    """(B, n_actions) what the parent says of every action, for a loss that `asks_action_scores`."""
    log_probs: Tensor | None = None
    """(B, n_actions) the policy's log-probabilities, before any mask, for the same; of the minibatch's own rows."""
    next_features: Tensor | None = None
    """(B, features_dim) of the next observations, without gradient, for a loss with a `target_momentum`."""
    n_replayed: int = 0
    """How many rows, the last ones, are from a memory: the newest outcome of its pair each, seen again and again."""

    def first(self, n_rows: int) -> Transitions:
        """The first rows."""
        parts = self.observations, self.actions, self.next_observations
        observations, actions, following = (_map(lambda rows: rows[:n_rows], part) for part in parts)
        n_replayed = max(0, self.n_replayed - len(self.actions) + n_rows)
        return replace(
            self, observations=observations, actions=actions, next_observations=following, n_replayed=n_replayed
        )

    def followed_by(self, other: Transitions) -> Transitions:
        """These rows, then the other ones, which are replayed."""
        return replace(
            self,
            observations=joined(self.observations, other.observations),
            actions=torch.cat([self.actions, other.actions]),
            next_observations=joined(self.next_observations, other.next_observations),
            n_replayed=self.n_replayed + len(other.actions),
        )


def joined(first: Observations, *others: Observations) -> Observations:
    """The rows of batches of observations, one batch after the other."""
    if not others:
        return first
    if isinstance(first, dict):
        return {name: torch.cat([rows, *(_entry(other, name) for other in others)]) for name, rows in first.items()}
    return torch.cat([first, *(_rows(other) for other in others)])


def rows_of(observations: Observations, chosen: Tensor) -> Observations:
    """Some rows of a batch of observations, by their numbers."""
    rows: Observations = _map(lambda rows: rows.index_select(0, chosen), observations)
    return rows


def _entry(observations: Observations, name: str) -> Tensor:
    assert isinstance(observations, dict)
    return observations[name]


def _rows(observations: Observations) -> Tensor:
    assert isinstance(observations, Tensor)
    return observations


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
    """Past transitions to learn from beside each minibatch, drawn evenly over the (observation, action) pairs seen, as
    many as four that begin with the same observation together, so that its features are computed once."""
    log_grad_norm: bool = False
    """Whether to log, as `<name>_grad_norm`, the norm of the weighted loss's gradient; a backward pass more."""

    def __post_init__(self) -> None:
        """Of a data class: looks at its settings as soon as it is made."""
        self.check_settings()

    def check_settings(self) -> None:
        """Raises a `ValueError` where a setting makes no sense; `attach` asks before it touches a model.

        A loss with settings of its own extends it.
        """
        name: Any = self.name
        if not isinstance(name, str) or not name.isidentifier() or hasattr(nn.ModuleDict, name):
            raise ValueError(f"{name!r} cannot name an auxiliary loss: use a word like 'world_model'")
        if self.name in TAKEN_NAMES:
            raise ValueError(
                f"an auxiliary loss named {self.name!r} would overwrite train/{self.name}_loss, which the algorithm "
                "logs: give it another name"
            )
        if not callable(self.scale):
            self._checked_scale(self.scale)
        checked_integer("n_replayed", self.n_replayed, at_least=0)

    @property
    def is_off(self) -> bool:
        """Whether its scale is the number 0, so that it asks for nothing and is never computed."""
        return not callable(self.scale) and self.scale == 0.0

    @property
    def futures(self) -> FutureDraw | None:
        """Later observations of the minibatch's episodes to look at; None for a loss that needs none."""
        return None

    @property
    def target_momentum(self) -> float | None:
        """Momentum of the moving average of the extractor that gives the next observations' features.

        0 for the extractor itself; None for a loss that needs no such features.
        """
        return None

    @property
    def asks_action_scores(self) -> bool:
        """Whether it must be told the parent's score of every action, which makes the parent a teacher."""
        return False

    def check_env(self, env: VecEnv) -> None:  # noqa: B027  # most losses accept every environment
        """Raises `ValueError` where this loss can learn nothing from the environment."""

    @abstractmethod
    def build(
        self, observation_space: spaces.Space[object], action_space: spaces.Space[object], features_dim: int
    ) -> nn.Module:
        """A fresh head; raises `ValueError` where the spaces are none this loss can learn from."""

    @abstractmethod
    def loss(
        self, head: nn.Module, features: Tensor, transitions: Transitions
    ) -> tuple[Tensor, dict[str, Tensor]] | None:
        """The loss, a scalar, given the observations' features (B, features_dim); and scalars to log, by name.

        None where these transitions teach nothing: then nothing is logged either.
        """

    def scale_at(self, progress_remaining: float) -> float:
        """The weight at this point of training, from 1 (start) to 0 (end)."""
        return self._checked_scale(self.scale(progress_remaining) if callable(self.scale) else self.scale)

    def _checked_scale(self, scale: Any) -> float:
        if not isinstance(scale, Real) or not math.isfinite(scale) or scale < 0.0:
            raise ValueError(
                f"the scale of the {self.name} loss must be a number of at least 0, or a function of the progress "
                f"remaining that gives one, not {scale!r}"
            )
        return float(scale)


def check_losses(losses: Sequence[AuxiliaryLoss]) -> None:
    """Raises where these are no losses, have settings that make no sense, or names that are not their own."""
    given: Sequence[Any] = losses
    for loss in given:
        if not isinstance(loss, AuxiliaryLoss):
            hint = f": write {loss.__name__}()" if isinstance(loss, type) and issubclass(loss, AuxiliaryLoss) else ""
            raise TypeError(f"{loss!r} is no auxiliary loss{hint}")
        loss.check_settings()
    names = [loss.name for loss in losses]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two auxiliary losses are named {name!r}: give each its own name")
