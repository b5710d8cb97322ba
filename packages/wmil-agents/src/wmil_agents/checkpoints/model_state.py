"""Everything that a model's training goes on from: networks, optimizers, counters, buffers, environments."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.save_util import recursive_getattr

from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.continued_algorithm import plain_class
from wmil_agents.checkpoints.pieces import inexact_parts, load_piece_state, piece_state

_COUNTERS = (
    "num_timesteps",
    "_total_timesteps",
    "_num_timesteps_at_start",
    "_episode_num",
    "_n_updates",
    "_n_calls",
    "_current_progress_remaining",
    "exploration_rate",
)
"""Attributes that are numbers; an algorithm has those that it counts."""
_LAST = ("_last_obs", "_last_original_obs", "_last_episode_starts", "_last_lstm_states")
"""What the coming step starts from."""
_EMPTY_THEIR_ROLLOUT_BUFFERS = ("stable_baselines3", "sb3_contrib")
"""Whose rollout buffers keep nothing from one rollout to the next."""
_QUEUES = ("ep_info_buffer", "ep_success_buffer")


def check_supported(model: BaseAlgorithm) -> None:
    """Raises a `CheckpointError` for a model that checkpoints cannot keep, or not yet."""
    if not isinstance(model, OnPolicyAlgorithm | OffPolicyAlgorithm):
        raise CheckpointError(
            f"checkpoints keep on-policy and off-policy algorithms, whose rollouts have a beginning; "
            f"{type(model).__name__} has none"
        )
    if model.env is None:
        raise CheckpointError("this model has no environment to continue in: give it one with set_env")


def model_state(model: BaseAlgorithm) -> dict[str, Any]:
    """The state between an update and the next rollout, as plain data; some of it is the model's own memory.

    Raises:
        CheckpointError: the model has not begun to learn.
    """
    check_supported(model)
    if model._last_obs is None:
        raise CheckpointError("this model has not begun to learn, so there is nothing to continue")
    _, variables = model._get_torch_save_params()
    return {
        "made_with": _made_with(model),
        "counters": {name: getattr(model, name) for name in _COUNTERS if hasattr(model, name)},
        "parameters": {name: _once(parameters) for name, parameters in model.get_parameters().items()},
        "variables": {name: _variable(model, name).detach() for name in variables},
        "last": {name: getattr(model, name) for name in _LAST if hasattr(model, name)},
        "queues": {name: list(getattr(model, name)) for name in _QUEUES if getattr(model, name) is not None},
        "buffers": {name: piece_state(buffer) for name, buffer in _buffers(model)},
        "env": piece_state(model.env),
        "own": model.own_state_dict() if hasattr(model, "own_state_dict") else None,
    }


def load_model_state(model: BaseAlgorithm, state: dict[str, Any]) -> None:
    """Restores what `model_state` told; an environment that could not be kept is seeded anew and will be reset.

    Raises:
        CheckpointError: the state is of another model.
    """
    check_supported(model)
    _check_made_with(model, state["made_with"])
    for name, parameters in state["parameters"].items():
        owner = _owner(model, name)
        owner.load_state_dict(_repeated(parameters, owner) if isinstance(owner, torch.nn.Module) else parameters)
    for name, values in state["variables"].items():
        variable = _variable(model, name)
        if variable.shape != values.shape:
            raise CheckpointError(
                f"it has {name} of shape {tuple(values.shape)}, and here it is {tuple(variable.shape)}"
            )
        variable.data.copy_(values)
    for name in _COUNTERS:
        if hasattr(model, name) and name in state["counters"]:
            setattr(model, name, state["counters"][name])
    for name in _LAST:
        if name in state["last"]:
            setattr(model, name, _alike(getattr(model, name), state["last"][name], model.device))
    for name in _QUEUES:
        if name in state["queues"]:
            setattr(model, name, deque(state["queues"][name], maxlen=model._stats_window_size))
    for name, buffer in _buffers(model):
        load_piece_state(buffer, state["buffers"][name])
    if hasattr(model, "load_own_state_dict"):
        model.load_own_state_dict(state["own"])
    assert model.env is not None
    load_piece_state(model.env, state["env"])
    if any(inexact_parts(state["env"])):
        fresh = np.random.SeedSequence([model.seed or 0, model.num_timesteps]).generate_state(1)[0]
        model.env.seed(int(fresh) % 2**31)
        model._last_obs = None  # `learn` resets the environment where there is none


def inexact_parts_of_model(state: dict[str, Any]) -> Iterator[str]:
    """The reasons why a `model_state` is not all that there was."""
    yield from inexact_parts(state["env"])
    for buffer in state["buffers"].values():
        yield from inexact_parts(buffer)


def _made_with(model: BaseAlgorithm) -> dict[str, Any]:
    """What must be the same in the model that continues."""
    names, _ = model._get_torch_save_params()
    return {
        "algorithm": plain_class(model).__name__,
        "networks and optimizers": {name: type(_owner(model, name)).__name__ for name in names},
        "observations": repr(model.observation_space),
        "actions": repr(model.action_space),
        "environments": model.n_envs,
    }


def _check_made_with(model: BaseAlgorithm, state: dict[str, Any]) -> None:
    for name, own in _made_with(model).items():
        if state[name] != own:
            raise CheckpointError(f"its {name}: {state[name]}, and those of this model: {own}")


def _owner(model: BaseAlgorithm, name: str) -> Any:
    """The network or optimizer of that name, itself where it was compiled."""
    owner = recursive_getattr(model, name)
    return getattr(owner, "_orig_mod", owner)


def _once(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a network without those that are others under a second name, as where two heads share one."""
    names = _first_names(parameters)
    return {name: value for name, value in parameters.items() if names.get(name, name) == name}


def _repeated(kept: dict[str, Any], owner: torch.nn.Module) -> dict[str, Any]:
    """What `_once` was given, for a network made in the same way."""
    names = _first_names(owner.state_dict())
    return kept | {name: kept[first] for name, first in names.items() if name not in kept and first in kept}


def _first_names(parameters: dict[str, Any]) -> dict[str, str]:
    """For the name of each tensor the first name of the same one."""
    first: dict[Any, str] = {}
    tensors = {name: value for name, value in parameters.items() if isinstance(value, torch.Tensor) and value.numel()}
    return {
        name: first.setdefault((value.data_ptr(), value.dtype, value.shape, value.stride()), name)
        for name, value in tensors.items()
    }


def _variable(model: BaseAlgorithm, name: str) -> torch.Tensor:
    variable: torch.Tensor = recursive_getattr(model, name)
    return variable


def _buffers(model: BaseAlgorithm) -> list[tuple[str, Any]]:
    """The buffers that outlive a rollout."""
    if isinstance(model, OffPolicyAlgorithm):
        return [("replay_buffer", model.replay_buffer)]
    buffer = vars(model).get("rollout_buffer")
    is_emptied = buffer is None or type(buffer).__module__.partition(".")[0] in _EMPTY_THEIR_ROLLOUT_BUFFERS
    return [] if is_emptied else [("rollout_buffer", buffer)]


def _alike(own: Any, value: Any, device: torch.device) -> Any:
    """A value of the kind that the model has: named tuples and tensors on its device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(own, tuple) and isinstance(value, tuple):
        parts = [_alike(mine, its, device) for mine, its in zip(own, value, strict=True)]
        return type(own)(*parts) if hasattr(own, "_fields") else tuple(parts)
    return value
