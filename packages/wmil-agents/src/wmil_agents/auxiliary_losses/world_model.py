"""A one-step world model: from features and an action, the next observation, attribute by attribute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional as F

from wmil_agents.auxiliary_loss import AuxiliaryLoss, Transitions
from wmil_agents.auxiliary_losses.predicted_column import Column, predicted_columns
from wmil_agents.losses.categorical import mean_one_hot_squared_error, one_hot_squared_error, surprises
from wmil_agents.networks.value_embedding import ValueEmbedding
from wmil_envs.integer import checked_integer


@dataclass(frozen=True)
class WorldModelLoss(AuxiliaryLoss):
    """How badly the next raw observation is foreseen from features and action, mean over its attributes.

    A category (`Discrete`, `MultiDiscrete`, `MultiBinary`) costs the cross-entropy of its distribution, a number (`Box`
    of floats) the Huber loss of its prediction, quadratic up to an error of 1 and linear beyond: bring numbers to that
    scale (`VecNormalize`). Entries of a `Dict` count each by itself; of a history the newest observation is predicted.
    Attributes of an `AttributeSpace` that say they are not predictable from state and action are left out, because
    their share of the gradient would be noise.

    A policy that has learnt PatternEcho shows the model only right answers. Without replay the model then forgets the
    wrong ones: over all (symbol, action) pairs, its skill at `feedback` is -7 after 4,000 steps, against .92 with it.

    The default scale is the largest that cost the policy no steps while 16 transitions were replayed, each by itself
    (`benchmarks/learning/world_model_scale.py`: median steps to 95 % of 184 at 0, 188 at .2, 212 at .5 and 240 at 1).
    With 32, in groups, it costs one update of eight environments (`benchmarks/results/latest`).
    """

    scale: float | Callable[[float], float] = 0.2
    """Weight of the loss, a number or a function of the progress remaining; at 0 nothing is computed."""
    hidden_width: int = 64
    """Hidden units of the head, and size of the action's embedding."""
    predictable_only: bool = True
    """Whether to leave out attributes that are not predictable."""
    n_replayed: int = 32
    """Past transitions to learn from beside each minibatch, so that a good policy's model keeps knowing bad actions."""
    name: str = "world_model"
    """Names the head and the metrics."""
    log_grad_norm: bool = False
    """Whether to log the norm of the weighted loss's gradient on the policy; a backward pass more."""

    def check_settings(self) -> None:
        """As every loss's."""
        super().check_settings()
        checked_integer("hidden_width", self.hidden_width, at_least=1)

    def build(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], features_dim: int
    ) -> WorldModelHead:
        """A fresh head for the attributes of this observation space."""
        columns = predicted_columns(observation_space, self.predictable_only)
        if not columns:
            raise ValueError(
                f"WorldModelLoss predicts categories and floats, and {observation_space} has none that are "
                'predictable: use such observations (obs="attributes"), or predictable_only=False'
            )
        return WorldModelHead(columns, action_space, features_dim, self.hidden_width)

    def loss(self, head: nn.Module, features: Tensor, transitions: Transitions) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy and Huber loss; `error` is the mean squared error, of a category's probabilities to one-hot."""
        assert isinstance(head, WorldModelHead)
        logits, numbers = head(features, transitions.actions)
        following = transitions.next_observations
        losses, errors = [], []
        if head.columns:
            log_probs = logits.log_softmax(1)
            surprised = surprises(log_probs, head.targets(following).t())
            losses.append((_without_stale(surprised, head, transitions.n_replayed).mean(), len(head.columns)))
            error = mean_one_hot_squared_error(log_probs.detach(), surprised.detach(), head.n_values)
            errors.append((error, len(head.columns)))
        if head.number_columns:
            true = head.number_targets(following)
            losses.append((F.huber_loss(numbers, true), len(head.number_columns)))
            errors.append((F.mse_loss(numbers.detach(), true), len(head.number_columns)))
        return _weighted_mean(losses), {"error": _weighted_mean(errors)}


class WorldModelHead(nn.Module):
    """Features and an action's embedding through one hidden layer to logits of categories, and to numbers.

    A second hidden layer knew no more after 3,000 steps of PatternEcho.

    Args:
        columns: What to predict.
        action_space: Box, Discrete, MultiDiscrete or MultiBinary.
        features_dim: Size of the features.
        hidden_width: Size of the action's embedding and of the hidden layer.
    """

    n_values: Tensor
    """(k,) number of values of each predicted category."""
    missing: Tensor
    """(k, m): 0 where a category has the value, minus infinity where not."""
    predictable: Tensor
    """(k,) which categories state and action decide."""

    def __init__(
        self, columns: tuple[Column, ...], action_space: spaces.Space[Any], features_dim: int, hidden_width: int
    ) -> None:
        super().__init__()
        self.columns = tuple(column for column in columns if column.n_values)
        """The k categories."""
        self.number_columns = tuple(column for column in columns if not column.n_values)
        """The j numbers."""
        self.action_embedding = ValueEmbedding(action_space, hidden_width)
        self.from_features = nn.Linear(features_dim, hidden_width)
        n_values = torch.tensor([column.n_values for column in self.columns], dtype=torch.long)
        k, most = len(n_values), max((column.n_values for column in columns), default=0)
        self.logits = nn.Linear(hidden_width, k * most) if k else None
        self.numbers = nn.Linear(hidden_width, len(self.number_columns)) if self.number_columns else None
        self.register_buffer("n_values", n_values, persistent=False)
        missing = torch.zeros(k, most).masked_fill(torch.arange(most) >= n_values[:, None], -torch.inf)
        self.register_buffer("missing", missing, persistent=False)
        predictable = torch.tensor([column.predictable for column in self.columns], dtype=torch.bool)
        self.register_buffer("predictable", predictable, persistent=False)
        self.all_are_predictable = bool(predictable.all())

    def forward(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, features_dim) and actions -> logits (k, m, B), and numbers (B, j).

        A logit is minus infinity where its category does not have the value. The rows come last because over so few
        values in a row torch's softmax goes one row after another: 212 us for 528 rows of 3 columns with 9 values, and
        11 like this.
        """
        n_rows = len(features)
        x = F.gelu(self.from_features(features) + self.action_embedding(actions.reshape(n_rows, -1)))
        numbers = x.new_zeros(n_rows, 0) if self.numbers is None else self.numbers(x)
        if self.logits is None:
            return x.new_zeros(*self.missing.shape, n_rows), numbers
        bias = self.logits.bias + self.missing.flatten()
        logits = torch.addmm(bias[:, None], self.logits.weight, x.t())  # (k m, B)
        return logits.view(*self.missing.shape, n_rows), numbers

    @torch.no_grad()
    def predict(self, features: Tensor, actions: Tensor) -> Tensor:
        """Probabilities (B, k, m) of the next value of each of `columns`, 0 where a value does not exist."""
        logits: Tensor = self(features, actions)[0]
        return logits.softmax(1).permute(2, 0, 1)

    @torch.no_grad()
    def predict_numbers(self, features: Tensor, actions: Tensor) -> Tensor:
        """The next value (B, j) of each of `number_columns`."""
        numbers: Tensor = self(features, actions)[1]
        return numbers

    @torch.no_grad()
    def squared_errors(
        self, features: Tensor, actions: Tensor, next_observations: Tensor | dict[str, Tensor]
    ) -> Tensor:
        """The squared error (B, k + j) at each category, of its probabilities to one-hot, then at each number."""
        logits, numbers = self(features, actions)
        errors = []
        if self.columns:
            probabilities = logits.softmax(1).permute(2, 0, 1)
            errors.append(one_hot_squared_error(probabilities, self.targets(next_observations), self.n_values))
        if self.number_columns:
            errors.append((numbers - self.number_targets(next_observations)).square())
        return torch.cat(errors, dim=1)

    def targets(self, next_observations: Tensor | dict[str, Tensor]) -> Tensor:
        """The predicted categories of raw observations, (B, k) integers."""
        return _picked(self.columns, next_observations).long()

    def number_targets(self, next_observations: Tensor | dict[str, Tensor]) -> Tensor:
        """The predicted numbers of raw observations, (B, j) floats."""
        return _picked(self.number_columns, next_observations).float()


def _picked(columns: tuple[Column, ...], observations: Tensor | dict[str, Tensor]) -> Tensor:
    """These columns of raw observations, (B, number of columns)."""
    if isinstance(observations, dict):
        picked = [observations[column.entry or ""].flatten(1)[:, column.index] for column in columns]
        return torch.stack(picked, dim=1)
    rows = observations.reshape(len(observations), -1)
    if rows.shape[1] == len(columns):  # every column is predicted, in order
        return rows
    return rows[:, [column.index for column in columns]]


def _without_stale(surprised: Tensor, head: WorldModelHead, n_replayed: int) -> Tensor:
    """The surprises (k, B), or those (n,) that teach: what is drawn anew each time is learnt from fresh steps alone.

    A memory holds one draw of it for each pair, and a model that saw it again and again would take it for what follows
    (`benchmarks/learning/world_model_skill.py` measures its error at fresh symbols).
    """
    if head.all_are_predictable or not n_replayed:
        return surprised
    is_fresh = torch.arange(surprised.shape[1], device=surprised.device) < surprised.shape[1] - n_replayed
    return surprised[head.predictable[:, None] | is_fresh]


def _weighted_mean(parts: list[tuple[Tensor, int]]) -> Tensor:
    """The mean of means over so many elements each; a single one as it is, bit for bit."""
    if len(parts) == 1:
        return parts[0][0]
    return torch.stack([mean * n for mean, n in parts]).sum() / sum(n for _, n in parts)
