"""Exact evaluation of a policy in a finite world: one forward pass over the distinct observations, no sampling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from stable_baselines3.common.distributions import CategoricalDistribution

from wmil_agents.evaluation.evaluation import Evaluation
from wmil_agents.evaluation.policy_table import Model, actor_critic, evaluating, policy_table
from wmil_agents.evaluation.world_model_errors import world_model_errors
from wmil_agents.vec_env.history_space import HistorySpace
from wmil_envs.bank import Bank
from wmil_envs.exact_value import MAX_OBSERVATIONS, policy_value
from wmil_envs.oracle import Exact, Quantity, Unavailable
from wmil_envs.world import World


def evaluate_exactly(model: Model, world: World, level: int | None = None) -> Evaluation:
    """Success, return, entropy and the errors of the world model at one level, the world's own for None.

    Raises:
        ValueError: the world has more observations than can be asked about.
        TypeError: the policy does not say how likely each action is.
    """
    index = world.level if level is None else world.task.level_index(level)
    gap = world.bank.gap(index)
    if gap is not None and world.horizon > 1:
        return unavailable_evaluation(model, world, index, gap)
    encode = world.observation.encoder()

    def probabilities(rows: Any) -> Any:
        return policy_table(model, rows if encode is None else encode(rows))

    with evaluating(actor_critic(model)):
        value = policy_value(world.observation, probabilities, index)
        world_model = world_model_errors(model, world, index)
    return Evaluation(
        success=Exact(value.success),
        episode_return=Unavailable(str(gap)) if value.episode_return is None else Exact(value.episode_return),
        entropy=Exact(value.entropy),
        world_model=world_model,
        oracle=world.oracle(index),
        success_ceiling=success_ceiling(world.bank, index),
        max_entropy=Exact(math.log(world.n_actions)),
        level=index,
    )


def unavailable_evaluation(model: Model, world: World, level: int, reason: str) -> Evaluation:
    """What can be said where the verdicts that a policy would meet are not known: the errors of its world model."""
    missing = Unavailable(reason)
    return Evaluation(
        success=missing,
        episode_return=missing,
        entropy=missing,
        world_model=world_model_errors(model, world, level),
        oracle=world.oracle(level),
        success_ceiling=success_ceiling(world.bank, level),
        max_entropy=Exact(math.log(world.n_actions)),
        level=level,
    )


def can_be_evaluated_exactly(model: Model, world: World) -> bool:
    """Whether the policy says how likely each action is, in a world with few enough observations to ask about all.

    Of histories there are too many.
    """
    try:
        policy = actor_critic(model)
    except TypeError:
        return False
    if isinstance(policy.observation_space, HistorySpace):
        return False
    n_outcomes = 1 if world.horizon == 1 else 3 * (world.n_actions + 1)  # feedback and last action
    is_discrete = isinstance(policy.action_dist, CategoricalDistribution)
    return is_discrete and world.bank.n_instances * n_outcomes <= MAX_OBSERVATIONS


def success_ceiling(bank: Bank, level: int) -> Quantity:
    """The highest probability of a right last answer that a function of the observation can have."""
    if not bank.has_hidden_attributes:
        return Exact(1.0)
    if bank.horizon > 1:
        return Unavailable("with hidden attributes and several steps the best memoryless success is not computed")
    by_look = np.zeros((bank.visible_ids.max() + 1, bank.n_actions))
    np.add.at(by_look, bank.visible_ids, bank.start_probabilities(level)[:, None] * bank.right)
    return Exact(float(by_look.max(1).sum()))
