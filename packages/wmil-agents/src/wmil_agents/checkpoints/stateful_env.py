"""A wrapper that tells the state of an environment and of all its wrappers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from wmil_agents.checkpoints.adapter import register_attributes
from wmil_agents.checkpoints.pieces import load_piece_state, piece_state


class StatefulEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Adds `state_dict` and `load_state_dict` to an environment whose pieces have one, or an adapter.

    As the outermost wrapper it lets checkpoints reach the environments of a `SubprocVecEnv`, which live in other
    processes: `make_vec_env("CartPole-v1", 8, vec_env_cls=SubprocVecEnv, wrapper_class=StatefulEnv)`.

    Args:
        env: the environment, in all its wrappers.
    """

    def state_dict(self) -> dict[str, Any]:
        """The states of all pieces; one that cannot tell its own is marked `inexact`."""
        return piece_state(self.env)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what `state_dict` returned, without a reset."""
        load_piece_state(self.env, state)


register_attributes(StatefulEnv)  # where its pieces can be reached, each is asked itself
