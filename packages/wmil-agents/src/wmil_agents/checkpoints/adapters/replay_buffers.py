"""Stable-Baselines3's replay buffers: the rows that are filled."""

from __future__ import annotations

from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer

from wmil_agents.buffers.replay_buffer_state import load_replay_buffer_state, replay_buffer_state
from wmil_agents.checkpoints.adapter import register_adapter


def register() -> None:
    """Registers them."""
    for kind in (ReplayBuffer, DictReplayBuffer, NStepReplayBuffer):
        register_adapter(kind, replay_buffer_state, load_replay_buffer_state)
