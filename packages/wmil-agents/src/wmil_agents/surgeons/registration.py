"""The ids of this package's environments."""

from __future__ import annotations

import gymnasium as gym


def register_all() -> None:
    """Registers them with Gymnasium; what they need is imported when one is made."""
    gym.register(id="WMIL/Surgery-v0", entry_point="wmil_agents.surgeons.surgery_env:SurgeryEnv")
