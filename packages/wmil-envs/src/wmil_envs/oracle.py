"""Floors and ceilings of a world, computed from its bank: what a score has to be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wmil_envs.bank import Bank, Floats
from wmil_envs.outcomes import MIN_PREDICTABLE, outcome_probabilities, prediction_floors


class Exact(float):
    """A number computed without sampling; wherever a float is expected it is one."""

    __match_args__ = ("value",)

    @property
    def value(self) -> float:
        """The plain number."""
        return float(self)

    def __repr__(self) -> str:
        return f"Exact({float(self)!r})"

    def __str__(self) -> str:
        return f"{float(self):.4g}"


class Estimated(float):
    """A mean over `n` episodes with its 95 % confidence interval; wherever a float is expected it is the mean."""

    __match_args__ = ("value", "n", "interval")

    def __new__(cls, value: float, n: int, interval: tuple[float, float]) -> Self:
        """The mean, the number of episodes and the interval."""
        estimate = super().__new__(cls, value)
        estimate.n, estimate.interval = n, interval
        return estimate

    n: int
    interval: tuple[float, float]

    @property
    def value(self) -> float:
        """The mean as a plain number."""
        return float(self)

    def __getnewargs__(self) -> tuple[float, int, tuple[float, float]]:  # type: ignore[override]  # for pickles
        return (float(self), self.n, self.interval)

    def __repr__(self) -> str:
        return f"Estimated({float(self)!r}, n={self.n}, interval={self.interval})"

    def __str__(self) -> str:
        return f"{float(self):.4g} [{self.interval[0]:.4g}, {self.interval[1]:.4g}] (n={self.n})"


@dataclass(frozen=True)
class Unavailable:
    """No number, and why."""

    reason: str

    def __float__(self) -> float:
        raise ValueError(f"this oracle is not available: {self.reason}")

    def __str__(self) -> str:
        return f"not available ({self.reason})"


Quantity = Exact | Estimated | Unavailable


def plain_quantity(quantity: Quantity) -> dict[str, Any]:
    """A quantity as data for JSON: its kind, its value, and n with the interval where it was estimated."""
    match quantity:
        case Exact(value):
            return {"kind": "exact", "value": value}
        case Estimated(value, n, interval):
            return {"kind": "estimated", "value": value, "n": n, "interval": list(interval)}
        case Unavailable(reason):
            return {"kind": "unavailable", "reason": reason}


@dataclass(frozen=True, eq=False)
class Oracle:
    """What can be reached in a world at one level. Returns are undiscounted sums of the goal reward."""

    random_return: Quantity
    """Expected return of uniformly random actions."""
    memoryless_return: Quantity
    """The best that a deterministic function of the current observation reaches."""
    optimal_return: Quantity
    """The best that is possible, hidden attributes known."""
    random_success: Quantity
    """Probability that the last answer of an episode is right by chance."""
    world_model_floor: Mapping[str, Quantity]
    """For each attribute the least one-hot mean squared error with which its value after the first answer of an
    episode can be predicted from what is visible and the action; every start instance of the level and every action
    weighing the same."""
    world_model_mean_error: Mapping[str, Quantity]
    """The same for the best prediction that looks at nothing."""
    optimal_actions: npt.NDArray[np.int64]
    """(horizon, I) an optimal action in every instance at every step; -1 where the optimal return is not available."""

    def is_predictable(self, attribute: str) -> bool:
        """Whether looking at observation and action helps to predict the attribute at all.

        Raises:
            ValueError: that is not available.
        """
        gap = float(self.world_model_mean_error[attribute]) - float(self.world_model_floor[attribute])
        return gap >= MIN_PREDICTABLE

    def __str__(self) -> str:
        lines = [
            f"return: random {self.random_return}, best memoryless {self.memoryless_return}, "
            f"optimal {self.optimal_return}",
            f"success of random actions: {self.random_success}",
        ]
        for name, floor in self.world_model_floor.items():
            lines.append(f"error of a world model, {name}: floor {floor}, {self.world_model_mean_error[name]} blindly")
        return "\n".join(lines)

    def regret(self, expected_return: float) -> float:
        """How far a return stays below the optimal one."""
        return float(self.optimal_return) - expected_return

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        figures = ("random_return", "memoryless_return", "optimal_return", "random_success")
        plain: dict[str, Any] = {name: plain_quantity(getattr(self, name)) for name in figures}
        for name in ("world_model_floor", "world_model_mean_error"):
            plain[name] = {attribute: plain_quantity(quantity) for attribute, quantity in getattr(self, name).items()}
        return plain


def compute_oracle(bank: Bank, level: int, *, time_aware: bool = True) -> Oracle:
    """The oracle of one level, by dynamic programming over the bank.

    Args:
        bank: the compiled world.
        level: the level whose start instances count.
        time_aware: whether the learner sees how many steps are left.
    """
    outcomes = outcome_probabilities(bank, level, time_aware=time_aware)
    floors, mean_errors = prediction_floors(outcomes)
    gap = bank.gap(level)
    if gap is not None:
        missing = Unavailable(gap)
        columns = [a.name for a in bank.attributes if not a.hidden] + ["last_action", "feedback"]
        columns += [name for name in outcomes.probabilities if name not in columns]  # steps left
        return Oracle(
            random_return=missing,
            memoryless_return=missing,
            optimal_return=missing,
            random_success=Exact(1.0 / bank.n_actions),
            world_model_floor={name: Exact(floors[name]) if name in floors else missing for name in columns},
            world_model_mean_error={
                name: Exact(mean_errors[name]) if name in mean_errors else missing for name in columns
            },
            optimal_actions=np.full((bank.horizon, bank.n_instances), -1),
        )
    members = bank.levels[level]
    random_values = np.zeros(bank.n_instances)
    optimal_values = np.zeros(bank.n_instances)
    optimal_actions = np.empty((bank.horizon, bank.n_instances), dtype=np.int64)
    for step in reversed(range(bank.horizon)):
        random_values = (bank.mean_rewards + bank.backup(random_values, level)).mean(1)
        action_values = bank.mean_rewards + bank.backup(optimal_values, level)
        optimal_actions[step] = action_values.argmax(1)
        optimal_values = action_values.max(1)
    optimal_return = float(optimal_values[members].mean())
    return Oracle(
        random_return=Exact(float(random_values[members].mean())),
        memoryless_return=_memoryless_return(bank, level, optimal_return, time_aware),
        optimal_return=Exact(optimal_return),
        random_success=Exact(1.0 / bank.n_actions),
        world_model_floor={name: Exact(floor) for name, floor in floors.items()},
        world_model_mean_error={name: Exact(error) for name, error in mean_errors.items()},
        optimal_actions=optimal_actions,
    )


def _memoryless_return(bank: Bank, level: int, optimal_return: float, time_aware: bool) -> Quantity:
    members = bank.levels[level]
    if bank.horizon == 1:
        by_look = np.zeros((bank.visible_ids.max() + 1, bank.n_actions))
        np.add.at(by_look, bank.visible_ids[members], bank.mean_rewards[members])
        return Exact(float(by_look.max(1).sum()) / len(members))
    if bank.has_hidden_attributes:
        return Unavailable("with hidden attributes and several steps the best memoryless policy is not computed")
    if time_aware or np.isclose(_greedy_return(bank, level), optimal_return, rtol=0.0, atol=1e-12):
        return Exact(optimal_return)
    return Unavailable("the optimal policy depends on the steps left, which time_aware=False hides")


def _greedy_return(bank: Bank, level: int) -> float:
    greedy: Floats = (bank.mean_rewards.argmax(1)[:, None] == np.arange(bank.n_actions)).astype(np.float64)
    values = np.zeros(bank.n_instances)
    for _ in range(bank.horizon):
        values = (greedy * (bank.mean_rewards + bank.backup(values, level))).sum(1)
    return float(values[bank.levels[level]].mean())
