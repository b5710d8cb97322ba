"""Stable-Baselines3's action noise; what it draws comes from NumPy's global generator."""

from __future__ import annotations

from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise, VectorizedActionNoise

from wmil_agents.checkpoints.adapter import register_attributes


def register() -> None:
    """Registers it."""
    register_attributes(NormalActionNoise)
    register_attributes(VectorizedActionNoise)
    register_attributes(OrnsteinUhlenbeckActionNoise, "noise_prev")
