"""A callback that ends learning, with a checkpoint, when a function says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from wmil_agents.checkpoints.exact_checkpoint_callback import ExactCheckpointCallback


class StopWhenAsked(BaseCallback):
    """Asks a function at the start of every rollout whether to stop; to be named before the checkpoints' callback.

    Args:
        checkpoints: writes the checkpoint and ends learning.
        stop: returns a reason, or None to go on; None for a run that nobody stops.
    """

    def __init__(self, checkpoints: ExactCheckpointCallback, stop: Callable[[], str | None] | None) -> None:
        super().__init__()
        self._checkpoints, self._stop = checkpoints, stop
        self.reason = ""
        """Why learning was stopped, once it was."""
        self.step = 0
        """At which its checkpoint was made."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing: a run that is continued is asked anew."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""

    def _on_rollout_start(self) -> None:
        reason = None if self._stop is None else self._stop()
        if reason is not None:
            self.reason, self.step = reason, self.model.num_timesteps
            self._checkpoints.stop()

    def _on_step(self) -> bool:
        return True
