"""The exact value of a policy on a bank: sums over what can happen, no sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from wmil_envs.bank import Bank, Floats
from wmil_envs.observation import Observation, Rows

MAX_OBSERVATIONS = 200_000
"""The most observations that `policy_value` asks a policy about at one step."""


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """What a policy does in expectation, in episodes of one level."""

    success: float
    """Probability that the last answer of an episode is right."""
    episode_return: float | None
    """Expected undiscounted return, in goal units; None while a lazy parent has not judged all that counts."""
    entropy: float
    """Mean entropy of the action distribution over an episode's steps, in nats."""


def table_value(bank: Bank, table: Floats, level: int) -> PolicyValue:
    """The value of a policy given as a table (I, A) of action probabilities, in a one-step world.

    Rows of instances that look the same must be the same: an agent cannot tell them apart.

    Raises:
        ValueError: the world has several steps (use `policy_value`), or the table has another shape.
    """
    right, reward, start = _weights(bank, level)
    if table.shape != right.shape:
        raise ValueError(f"the table must have the shape {right.shape}, one row for each instance, not {table.shape}")
    logs = np.log(np.maximum(table, 1e-300))
    logs *= table
    episode_return = None if bank.gap(level) else float(np.vdot(reward, table))
    return PolicyValue(float(np.vdot(right, table)), episode_return, -float(start @ logs.sum(1)))


def policy_value(
    observation: Observation, policy: Callable[[Rows], npt.NDArray[np.floating]], level: int
) -> PolicyValue:
    """The value of a policy by following the distribution of states through an episode.

    Args:
        observation: the columns the policy sees, with their bank.
        policy: action probabilities (n, A) for observations (n, n_columns).
        level: the level whose start instances count.

    Raises:
        ValueError: more than `MAX_OBSERVATIONS` observations would have to be asked about; or an episode has several
            steps, in which the policy sees verdicts that a lazy parent has not given yet.
    """
    bank = observation.bank
    gap = bank.gap(level)
    if gap is not None and bank.horizon > 1:
        raise ValueError(gap)
    n_visible, n_actions = observation.n_visible, bank.n_actions
    starts = observation.starts()[:, : observation.n_columns]
    # mass[i, a, f]: probability to be at instance i, having acted a - 1 with feedback f (0 before the first answer)
    mass = np.zeros((bank.n_instances, n_actions + 1, 3))
    mass[:, 0, 0] = bank.start_probabilities(level)
    success = episode_return = entropy = 0.0
    for step in range(bank.horizon):
        where = np.nonzero(mass)
        if len(where[0]) > MAX_OBSERVATIONS:
            raise ValueError(
                f"exact evaluation would ask about {len(where[0])} observations; estimate it from episodes instead"
            )
        rows = starts[where[0]].copy()
        rows[:, n_visible], rows[:, n_visible + 1] = where[1], where[2]
        if observation.steps_left:
            rows[:, n_visible + 2] = bank.horizon - step
        probabilities = _checked(policy(rows), len(rows), n_actions)
        weights = mass[where]
        entropy -= float(weights @ (probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(1))
        taken = np.zeros(bank.scores.shape)
        np.add.at(taken, where[0], weights[:, None] * probabilities)
        episode_return += float(np.vdot(taken, bank.mean_rewards))
        success = float(np.vdot(taken, bank.right))
        if step + 1 < bank.horizon:
            mass = _advance(bank, taken, level)
    return PolicyValue(success, None if gap else episode_return, entropy / bank.horizon)


def _advance(bank: Bank, taken: Floats, level: int) -> Floats:
    """The distribution (I, A + 1, 3) after the actions taken with probability (I, A)."""
    following = np.zeros((bank.n_instances, bank.n_actions + 1, 3))
    says_right = np.where(bank.scores >= 0.5, 1.0 - bank.flip, bank.flip)
    for feedback, likely in ((1, 1.0 - says_right), (2, says_right)):
        for action in range(bank.n_actions):
            one_action = np.zeros_like(taken)
            one_action[:, action] = taken[:, action] * likely[:, action]
            following[:, action + 1, feedback] = bank.flow(one_action, level)
    return following


def _checked(probabilities: npt.NDArray[np.floating], n: int, n_actions: int) -> Floats:
    if probabilities.shape != (n, n_actions):
        raise ValueError(f"the policy must return probabilities of shape ({n}, {n_actions}), not {probabilities.shape}")
    exact = probabilities.astype(np.float64)
    if not np.allclose(exact.sum(1), 1.0, atol=1e-4):
        raise ValueError("the policy's action probabilities must sum to 1")
    return exact


@lru_cache(maxsize=64)
def _weights(bank: Bank, level: int) -> tuple[Floats, Floats, Floats]:
    if bank.horizon != 1:
        raise ValueError(f"a table has no value in a world of {bank.horizon} steps; use policy_value")
    start = bank.start_probabilities(level)
    return start[:, None] * bank.right, start[:, None] * bank.mean_rewards, start
