"""Learning that goes on where a checkpoint was made, as if it had never stopped."""

from __future__ import annotations

from typing import Any, TypeVar

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback, ProgressBarCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import MaybeCallback

from wmil_agents.checkpoints.checkpoint import Restored, fitting
from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.continued_algorithm import ContinuedAlgorithm, plain_class
from wmil_agents.checkpoints.loop_state import load_loop_state
from wmil_agents.mixin import mixed

Model = TypeVar("Model", bound=BaseAlgorithm)


def continue_learning(
    model: Model,
    restored: Restored,
    callback: MaybeCallback = None,
    total_timesteps: int | None = None,
    progress_bar: bool = False,
    **arguments: Any,
) -> Model:
    """Calls `learn` for what is left of it, with its schedules, its log intervals and its callbacks where they were.

    Parameters, optimizer states, buffers and metrics are then those of a run that was never interrupted, to the last
    bit; clocks and rates excepted.

    Args:
        model: what `restore_checkpoint` restored.
        restored: what it returned.
        callback: the callbacks of the interrupted `learn`, made anew, in the same order; their states are restored.
        total_timesteps: where to stop, counted from the very beginning; as before if None.
        progress_bar: as in `learn`.
        **arguments: others of `learn`; those of the interrupted one if not given.

    Raises:
        CheckpointError: the checkpoint was made outside of `learn` and no total is given, or the callbacks are others.
    """
    before = restored.arguments
    if total_timesteps is None:
        if before is None:
            raise CheckpointError(
                f"the checkpoint {restored.folder} was made outside of learn, so it does not know the total: pass "
                "total_timesteps"
            )
        total_timesteps = before["total_timesteps"]
    chosen: dict[str, Any] = {name: value for name, value in (before or {}).items() if name != "total_timesteps"}
    chosen |= arguments
    left = total_timesteps - model.num_timesteps
    root = as_learn_would(callback)
    if before is None:
        return model.learn(left, root, reset_num_timesteps=False, progress_bar=progress_bar, **chosen)
    together = CallbackList([_Resumption(restored, own_callbacks(root)), root])
    plain = plain_class(model)
    if isinstance(model, OnPolicyAlgorithm) and chosen.get("log_interval") is not None:
        model.__class__ = mixed(ContinuedAlgorithm, plain, "Continued")
        assert isinstance(model, ContinuedAlgorithm)
        done_before = model.num_timesteps - restored.loop["first_step"]
        model.rollouts_before = done_before // (model.n_steps * model.n_envs)
        model.plain_log_interval = chosen["log_interval"]
        chosen["log_interval"] = 1
    try:
        return model.learn(left, together, reset_num_timesteps=False, progress_bar=progress_bar, **chosen)
    finally:
        if isinstance(model, ContinuedAlgorithm):
            model.__class__ = plain
            del model.rollouts_before, model.plain_log_interval


def as_learn_would(callback: MaybeCallback) -> BaseCallback:
    """One callback, from what `learn` takes."""
    if isinstance(callback, list):
        return CallbackList(callback)
    return callback if isinstance(callback, BaseCallback) else ConvertCallback(callback)


def own_callbacks(root: BaseCallback) -> BaseCallback:
    """What the user named, of all that `learn` calls."""
    if isinstance(root, CallbackList) and len(root.callbacks) == 2:
        first, last = root.callbacks
        if isinstance(last, ProgressBarCallback):
            return own_callbacks(first)
        if isinstance(first, _Resumption):
            return own_callbacks(last)
    return root


class _Resumption(BaseCallback):
    """Where the checkpoint was made, puts back what `learn` did on its way there.

    That is the start of the first rollout; where nothing is left to learn, the end.
    """

    def __init__(self, restored: Restored, callback: BaseCallback) -> None:
        super().__init__()
        self._restored = restored
        self._callback = callback
        self._is_due = True

    def _on_rollout_start(self) -> None:
        self._put_back()

    def _on_training_end(self) -> None:
        self._put_back()

    def _put_back(self) -> None:
        if not self._is_due:
            return
        self._is_due = False
        with fitting(self._restored.folder):
            load_loop_state(self.model, self._callback, self._restored.loop)

    def _on_step(self) -> bool:
        return True
