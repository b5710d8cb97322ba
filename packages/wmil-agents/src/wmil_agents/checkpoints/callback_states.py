"""The states of callbacks, with those that they call and the environments they evaluate in."""

from __future__ import annotations

from typing import Any

from gymnasium.error import ResetNeeded
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, EvalCallback, EventCallback
from stable_baselines3.common.vec_env import VecEnv

from wmil_agents.checkpoints.adapter import adapter_of
from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.pieces import load_piece_state, piece_state

_OF_EVERY_CALLBACK = {"model", "n_calls", "num_timesteps", "verbose", "locals", "globals", "parent"}


def callback_state(callback: BaseCallback) -> dict[str, Any]:
    """The state of a callback: by its `state_dict`, by an adapter, or none where it keeps nothing."""
    kind = type(callback)
    state: dict[str, Any] = {"kind": kind.__name__, "n_calls": callback.n_calls}
    adapter = adapter_of(callback)
    if adapter is not None:
        state["own"] = adapter.save(callback)
    elif _tells(callback):
        told: Any = callback
        state["own"] = told.state_dict()
    elif set(vars(callback)) - _OF_EVERY_CALLBACK:
        state["inexact"] = f"the callback {kind.__name__} has no state_dict and load_state_dict: it begins anew"
    return state | {"inside": [_part_state(part) for part in _inside(callback)]}


def load_callback_state(callback: BaseCallback, state: dict[str, Any]) -> None:
    """Restores what `callback_state` told.

    Raises:
        CheckpointError: the state is of other callbacks.
    """
    kind = type(callback)
    inside = _inside(callback)
    if state["kind"] != kind.__name__ or len(state["inside"]) != len(inside):
        raise CheckpointError(
            f"it was made with the callback {state['kind']} and {len(state['inside'])} in it, and is continued with "
            f"{kind.__name__} and {len(inside)}: name the same callbacks in the same order"
        )
    callback.n_calls = int(state["n_calls"])
    adapter = adapter_of(callback)
    if "own" in state and adapter is not None:
        adapter.load(callback, state["own"])
    elif "own" in state:
        told: Any = callback
        told.load_state_dict(state["own"])
    for part, part_state in zip(inside, state["inside"], strict=True):
        if isinstance(part, BaseCallback):
            load_callback_state(part, part_state)
        elif part_state is not None:
            load_piece_state(part, part_state)


def _part_state(part: BaseCallback | VecEnv) -> dict[str, Any] | None:
    if isinstance(part, BaseCallback):
        return callback_state(part)
    try:
        return piece_state(part)
    except ResetNeeded:
        return None  # nothing was evaluated yet


def _inside(callback: BaseCallback) -> list[Any]:
    """The callbacks that a callback calls, and the environment that it evaluates in."""
    inside: list[Any] = []
    if isinstance(callback, CallbackList):
        inside += callback.callbacks
    if isinstance(callback, EventCallback) and callback.callback is not None:
        inside.append(callback.callback)
    if isinstance(callback, EvalCallback):
        inside += [part for part in (callback.callback_on_new_best, callback.eval_env) if part is not None]
    return inside


def _tells(callback: BaseCallback) -> bool:
    return hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")
