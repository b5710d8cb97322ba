"""Stable-Baselines3's replay buffers: the rows that are filled."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from wmil_agents.buffers.replay_buffer_state import load_replay_buffer_state, replay_buffer_state
from wmil_agents.checkpoints.adapter import register_adapter
from wmil_agents.checkpoints.manifest import strict_json
from wmil_agents.checkpoints.plain_data import decode, encode

_EPISODES = ("ep_start", "ep_length")
"""By row: where its episode begins, and how long it was; 0 while it has not ended."""


def register() -> None:
    """Registers them."""
    for kind in (ReplayBuffer, DictReplayBuffer, NStepReplayBuffer):
        register_adapter(kind, replay_buffer_state, load_replay_buffer_state)
    register_adapter(HerReplayBuffer, _hindsight, _load_hindsight)


def _hindsight(buffer: HerReplayBuffer) -> dict[str, Any]:
    n_rows = buffer.size()
    state = replay_buffer_state(buffer) | {name: getattr(buffer, name)[:n_rows].copy() for name in _EPISODES}
    state["episode_begins"] = buffer._current_ep_start.copy()
    # Infos are many small things: their text goes beside the arrays, where there is room for it.
    infos, arrays = encode(buffer.infos[:n_rows].tolist()) if buffer.copy_info_dict else (None, {})
    state["infos"] = {"text": np.frombuffer(json.dumps(infos).encode(), np.uint8), "arrays": arrays}
    return state


def _load_hindsight(buffer: HerReplayBuffer, state: dict[str, Any]) -> None:
    load_replay_buffer_state(buffer, state)
    n_rows = buffer.size()
    for name in _EPISODES:
        np.copyto(getattr(buffer, name)[:n_rows], state[name])
    np.copyto(buffer._current_ep_start, state["episode_begins"])
    infos = decode(
        strict_json(state["infos"]["text"].tobytes().decode(), "the text of its infos"), state["infos"]["arrays"]
    )
    if (infos is not None) != buffer.copy_info_dict:
        raise ValueError("copy_info_dict of HerReplayBuffer is not what it was")
    for row, by_env in enumerate(infos or ()):
        buffer.infos[row] = by_env
