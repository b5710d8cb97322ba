"""What follows an action, as probabilities: the target of a world model, its floor and its error.

A *cell* is a start instance of a level with an action; cells are ordered instance by instance, action by action, as in
the level's list of start instances. The error of a prediction q of an attribute with n values is the expected squared
distance to the one-hot outcome, divided by n: sum_v E(q_v - 1[v])^2 / n.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wmil_envs.bank import Bank, Floats, Integers

MIN_PREDICTABLE = 1e-6
"""Below this gap between the mean predictor and the floor there is nothing to predict."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Everything a world model can be asked at one level. C cells."""

    instances: Integers
    """(C,) the instance of each cell."""
    actions: Integers
    """(C,) the action of each cell."""
    groups: Integers
    """(C,) the same number for cells with the same visible attributes and action."""
    probabilities: Mapping[str, Floats]
    """For each attribute of the observation (C, n_values), the distribution of its next value; those are left out of
    which the parent has not said everything yet."""


def outcome_probabilities(bank: Bank, level: int, *, time_aware: bool = True) -> Outcomes:
    """The distribution of the next observation after every first answer: (start instance, action) of a level."""
    members = bank.levels[level]
    instances = np.repeat(members, bank.n_actions)
    actions = np.tile(np.arange(bank.n_actions), len(members))
    probabilities: dict[str, Floats] = {}
    visible = [attribute for attribute in bank.attributes if not attribute.hidden]
    if bank.known_with_successors and not bank.is_known(level):
        visible = []
    for column, attribute in enumerate(visible):
        onehot = np.eye(attribute.n_values)[bank.visible[:, column]]  # (I, n_values)
        if bank.successors is None:
            fresh = bank.start_probabilities(level) @ onehot
            probabilities[attribute.name] = np.tile(fresh, (len(instances), 1))
        else:
            following = bank.successors[instances, actions]  # (C, K)
            weights = np.ones(following.shape)
            if bank.successor_probabilities is not None:
                weights = bank.successor_probabilities[instances, actions]
            probabilities[attribute.name] = (onehot[following] * weights[..., None]).sum(1)
    probabilities["last_action"] = np.eye(bank.n_actions + 1)[actions + 1]
    if bank.is_known(level):
        says_right = np.where(bank.scores[instances, actions] >= 0.5, 1.0 - bank.flip, bank.flip)
        probabilities["feedback"] = np.stack([np.zeros_like(says_right), 1.0 - says_right, says_right], axis=1)
    if bank.horizon > 1 and time_aware:
        probabilities["steps_left"] = np.tile(np.eye(bank.horizon + 1)[bank.horizon - 1], (len(instances), 1))
    groups = bank.visible_ids[instances] * bank.n_actions + actions
    return Outcomes(instances, actions, np.unique(groups, return_inverse=True)[1].reshape(-1), probabilities)


def prediction_floors(outcomes: Outcomes) -> tuple[dict[str, float], dict[str, float]]:
    """For each attribute the error of the best predictor, and of the best one that looks at nothing."""
    floors, mean_errors = {}, {}
    counts = np.bincount(outcomes.groups)
    for name, target in outcomes.probabilities.items():
        sums = np.zeros((len(counts), target.shape[1]))
        np.add.at(sums, outcomes.groups, target)
        best = sums / counts[:, None]
        floors[name] = prediction_error(best[outcomes.groups], target)
        mean_errors[name] = prediction_error(np.broadcast_to(target.mean(0), target.shape), target)
    return floors, mean_errors


def prediction_error(predicted: Floats, target: Floats) -> float:
    """Mean over cells of sum_v E(q_v - 1[v])^2 / n, with predicted q and target distributions (C, n)."""
    errors = (predicted - target) ** 2 + target * (1.0 - target)
    return float(errors.mean())


def skill(error: float, floor: float, mean_error: float) -> float | None:
    """1 at the floor, 0 for the mean predictor, negative if worse; None where there is nothing to predict."""
    gap = mean_error - floor
    return None if gap < MIN_PREDICTABLE else 1.0 - (error - floor) / gap
