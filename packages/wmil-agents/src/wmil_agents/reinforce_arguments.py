"""What REINFORCE was asked for: refused where it makes no sense, by itself or in an environment."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf, isfinite
from typing import Any, Self, get_args

from gymnasium import spaces
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.buffers.event_memory import EventReplay
from wmil_agents.buffers.monte_carlo_buffer import Baseline
from wmil_agents.vec_env.episode_limit import episode_limit
from wmil_envs.integer import checked_integer

DEFAULT_N_STEPS = 1_000
"""Steps per rollout and environment where an environment says neither its horizon nor its time limit."""


@dataclass(frozen=True)
class ReinforceArguments:
    """Arguments of REINFORCE that can be wrong; where they are, a `ValueError` says what to do."""

    learning_rate: float | Schedule
    given_n_steps: int | None
    """None where `n_steps` follows from the environment."""
    gamma: float
    baseline: Baseline
    baseline_momentum: float
    group_size: int | None
    ent_coef: float
    vf_coef: float
    max_grad_norm: float
    event_replay: EventReplay | None
    all_actions: bool

    @classmethod
    def of(cls, model: Any) -> Self:
        """Those of a model, which has them as attributes of the same names."""
        return cls(**{field.name: getattr(model, field.name) for field in fields(cls)})

    def __post_init__(self) -> None:
        if self.baseline not in get_args(Baseline):
            raise ValueError(f"baseline must be one of {', '.join(get_args(Baseline))}, not {self.baseline!r}")
        for name, number in (("n_steps", self.given_n_steps), ("group_size", self.group_size)):
            if number is not None:
                checked_integer(name, number, at_least=1)
        if not 0.0 < self.baseline_momentum <= 1.0:
            raise ValueError(f"baseline_momentum must be above 0 and at most 1, not {self.baseline_momentum}")
        if not 0.0 <= self.gamma <= 1.0:
            raise ValueError(f"gamma must be in [0, 1], not {self.gamma}")
        if not callable(self.learning_rate) and not 0.0 <= self.learning_rate < inf:
            raise ValueError(f"learning_rate must be a finite number of at least 0, not {self.learning_rate}")
        if not isfinite(self.ent_coef):
            raise ValueError(f"ent_coef must be a finite number, not {self.ent_coef}: 0 is no entropy bonus")
        if not 0.0 <= self.vf_coef < inf:
            raise ValueError(f"vf_coef must be a finite number of at least 0, not {self.vf_coef}")
        if not self.max_grad_norm > 0.0:
            raise ValueError(f'max_grad_norm must be above 0, not {self.max_grad_norm}: float("inf") clips nothing')
        self._check_together()

    def _check_together(self) -> None:
        """Raises a `ValueError` where one argument leaves another without a meaning."""
        if self.baseline != "learned" and self.vf_coef:
            raise ValueError(
                f"vf_coef={self.vf_coef} trains a value that baseline={self.baseline!r} never uses: leave it out"
            )
        if self.group_size is not None and self.baseline != "leave_one_out":
            raise ValueError(
                f'group_size={self.group_size} is for baseline="leave_one_out", not {self.baseline!r}: leave it out'
            )
        if self.all_actions and self.baseline != "running_mean":
            raise ValueError(f"baseline={self.baseline!r} is of returns, and all_actions=True uses none: leave it out")
        if self.all_actions and self.event_replay is not None:
            raise ValueError("all_actions=True knows every action's score, so event_replay adds nothing: leave it out")

    def n_steps_in(self, env: VecEnv) -> int:
        """Steps per environment and rollout in these environments.

        Raises:
            ValueError: The arguments make no sense there.
        """
        limit = episode_limit(env)
        self._check_groups(env.num_envs)
        self._check_judgement(env, limit)
        if self.given_n_steps is None:
            return limit or DEFAULT_N_STEPS
        if limit is not None and self.given_n_steps < limit and self.gamma != 0.0:
            raise ValueError(
                f"a rollout of n_steps={self.given_n_steps} cannot hold an episode of {limit} steps, as there may be "
                f"here, and steps without their episode's end teach nothing: leave n_steps out, or pass {limit} or more"
            )
        return self.given_n_steps

    def _check_groups(self, n_envs: int) -> None:
        """Raises a `ValueError` where so many environments cannot be compared in groups."""
        size = n_envs if self.group_size is None else self.group_size
        if self.baseline == "leave_one_out" and (size < 2 or n_envs % size):
            raise ValueError(
                f'baseline="leave_one_out" compares groups of at least 2 environments: {n_envs} do not make groups '
                f"of {size}"
            )

    def _check_judgement(self, env: VecEnv, limit: int | None) -> None:
        """Raises a `ValueError` where actions are not judged one by one, and the arguments need them to be."""
        if self.event_replay is None and not self.all_actions:
            return
        name = "all_actions" if self.all_actions else "event_replay"
        if not isinstance(env.action_space, spaces.Discrete):
            raise ValueError(f"{name} is for Discrete actions, and these are {env.action_space}: leave it out")
        if limit != 1 and self.gamma != 0.0:
            raise ValueError(
                f"{name} judges each action by its own reward, and these episodes have {limit or 'many'} steps: "
                f"pass gamma=0.0, or leave {name} out"
            )
