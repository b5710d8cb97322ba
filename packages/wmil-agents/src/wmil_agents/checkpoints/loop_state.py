"""What the beginning of `learn` disturbs: generators, noise, the logger, the clock, callbacks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.distributions import StateDependentNoiseDistribution
from stable_baselines3.common.noise import ActionNoise, VectorizedActionNoise

from wmil_agents.checkpoints.callback_states import callback_state, load_callback_state
from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.generators import (
    global_generators,
    set_global_generators,
    set_space_generators,
    space_generators,
)
from wmil_agents.checkpoints.pieces import inexact_parts, load_piece_state, piece_state

_LOGGED = ("name_to_value", "name_to_count", "name_to_excluded")
_MATRICES = ("exploration_mat", "exploration_matrices")


def loop_state(model: BaseAlgorithm, callback: BaseCallback | None) -> dict[str, Any]:
    """The state at the start of a rollout, as plain data."""
    logger = getattr(model, "_logger", None)
    return {
        "first_step": model._num_timesteps_at_start,
        "seconds": (time.time_ns() - model.start_time) / 1e9,
        "generators": global_generators(),
        "spaces": [space_generators(space) for space in (model.action_space, model.observation_space)],
        "noise": [piece_state(noise) for noise in _noises(model)],
        "exploration": [
            {name: getattr(distribution, name).detach() for name in _MATRICES}
            for distribution in _state_dependent(model)
        ],
        "logged": None if logger is None else {name: dict(getattr(logger, name)) for name in _LOGGED},
        "callback": None if callback is None else callback_state(callback),
    }


def load_generators(model: BaseAlgorithm, state: dict[str, Any]) -> None:
    """Restores the generators alone."""
    set_global_generators(state["generators"])
    for space, states in zip((model.action_space, model.observation_space), state["spaces"], strict=True):
        set_space_generators(space, states)


def load_loop_state(model: BaseAlgorithm, callback: BaseCallback, state: dict[str, Any]) -> None:
    """Restores what `loop_state` told, at the start of a rollout.

    Raises:
        CheckpointError: the state is of other noise or callbacks.
    """
    model._num_timesteps_at_start = state["first_step"]
    model.start_time = time.time_ns() - int(state["seconds"] * 1e9)
    noises = _noises(model)
    if len(noises) != len(state["noise"]):
        raise CheckpointError(f"it was made with {len(state['noise'])} action noises, and there are {len(noises)}")
    for noise, noise_state in zip(noises, state["noise"], strict=True):
        load_piece_state(noise, noise_state)
    for distribution, matrices in zip(_state_dependent(model), state["exploration"], strict=True):
        for name in _MATRICES:
            setattr(distribution, name, matrices[name].to(model.device))
    if state["logged"] is not None:
        for name in _LOGGED:
            kept: defaultdict[str, Any] = getattr(model.logger, name)
            kept.clear()
            kept.update(state["logged"][name])
    if state["callback"] is not None:
        load_callback_state(callback, state["callback"])
    load_generators(model, state)


def inexact_parts_of_loop(state: dict[str, Any]) -> Iterator[str]:
    """The reasons why a `loop_state` is not all that there was."""
    for noise in state["noise"]:
        yield from inexact_parts(noise)
    if state["callback"] is not None:
        yield from inexact_parts(state["callback"])


def _noises(model: BaseAlgorithm) -> list[ActionNoise]:
    noise = model.action_noise
    if noise is None:
        return []
    return list(noise.noises) if isinstance(noise, VectorizedActionNoise) else [noise]


def _state_dependent(model: BaseAlgorithm) -> list[StateDependentNoiseDistribution]:
    """The distributions whose noise matrix is drawn before the first step of a rollout."""
    owners = (model.policy, getattr(model, "actor", None))
    found = [getattr(owner, "action_dist", None) for owner in owners if owner is not None]
    return [distribution for distribution in found if isinstance(distribution, StateDependentNoiseDistribution)]
