"""All adapters that come with the package."""

from __future__ import annotations

from wmil_agents.checkpoints.adapters import (
    action_noise,
    classic_control,
    gymnasium_wrappers,
    replay_buffers,
    sb3_callbacks,
    sb3_envs,
)


def register_shipped() -> None:
    """Registers them."""
    for module in (action_noise, classic_control, gymnasium_wrappers, replay_buffers, sb3_callbacks, sb3_envs):
        module.register()
