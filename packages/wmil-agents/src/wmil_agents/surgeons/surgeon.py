"""The contract of a surgeon: who carries out an operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from wmil_agents.surgeons.surgery_env import Action, SurgeryEnv, View

Operation = gym.Env[View, Action]
"""A `SurgeryEnv`, or one in wrappers."""


class Surgeon(Protocol):
    """Contract: operates on what an environment holds, from a reset to the end of the episode."""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        ...

    @property
    def learns(self) -> bool:
        """Whether it has to be trained before it is of use."""
        ...

    @property
    def n_evaluations(self) -> int:
        """What its last operation cost, in forwards over the search items, the one for the first observation left out.

        A gradient counts as three: a forward, and a backward of about twice its arithmetic.
        """
        ...

    def operate(self, env: Operation, observation: View) -> dict[str, Any]:
        """Carries out one operation.

        Args:
            env: after a reset.
            observation: that the reset returned.

        Returns:
            The info of the end.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that its next operations depend on, as plain data and arrays."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        ...


def edit_by_edit(env: Operation, observation: View, choose: Callable[[View], Action]) -> tuple[dict[str, Any], int]:
    """Steps through an episode with the actions that are chosen; the info of the end, and how many steps there were."""
    info: dict[str, Any] = {}
    n_steps, terminated = 0, False
    while not terminated:
        action = choose(observation).astype(np.float32)
        observation, _, terminated, _, info = env.step(action)
        n_steps += 1
    return info, n_steps


def surgery_in(env: Operation) -> SurgeryEnv:
    """The environment inside of wrappers, for surgeons that look closer than an observation does.

    Raises:
        TypeError: there is none.
    """
    inner = env.unwrapped
    if not isinstance(inner, SurgeryEnv):
        raise TypeError(f"this surgeon operates in a SurgeryEnv, not in {type(inner).__name__}")
    return inner
