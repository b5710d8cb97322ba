"""Gymnasium's classic-control environments; their generators are kept as every environment's are."""

from __future__ import annotations

from gymnasium.envs.classic_control import (
    AcrobotEnv,
    CartPoleEnv,
    Continuous_MountainCarEnv,
    MountainCarEnv,
    PendulumEnv,
)
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv

from wmil_agents.checkpoints.adapter import register_attributes


def register() -> None:
    """Registers them."""
    register_attributes(CartPoleEnv, "state", "steps_beyond_terminated")
    register_attributes(CartPoleVectorEnv, "state", "steps", "prev_done", "steps_beyond_terminated")
    register_attributes(PendulumEnv, "state", "last_u")
    for kind in (MountainCarEnv, Continuous_MountainCarEnv, AcrobotEnv):
        register_attributes(kind, "state")
