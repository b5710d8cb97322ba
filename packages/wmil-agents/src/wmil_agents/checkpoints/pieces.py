"""The state of an environment in all its wrappers, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
from gymnasium.vector import SyncVectorEnv, VectorEnv, VectorWrapper
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnvWrapper

from wmil_agents.checkpoints.adapter import adapter_of
from wmil_agents.checkpoints.adapters.shipped import register_shipped
from wmil_agents.checkpoints.checkpoint_error import CheckpointError
from wmil_agents.checkpoints.generators import generator_state, set_space_generators, space_generators, with_state
from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

_SPACES = ("action_space", "_action_space", "observation_space", "_observation_space")

_TELLS_ALL = "StatefulEnv"
"""The class of ours that answers for an environment in another process."""

register_shipped()


def piece_state(piece: Any) -> dict[str, Any]:
    """The state of an environment, wrapper, buffer, noise or callback, with that of everything it wraps.

    A piece that tells its own state only has `own_state_dict` and `load_own_state_dict`, or an adapter; one that tells
    that of all it wraps has `state_dict` and `load_state_dict`. Any other is marked `"inexact"`, with the reason.
    """
    kind = type(piece)
    state: dict[str, Any] = {"kind": kind.__name__}
    adapter = adapter_of(piece)
    if isinstance(piece, SubprocVecEnv):
        return state | _states_elsewhere(piece)
    if adapter is not None:
        state["own"] = adapter.save(piece)
    elif _has(kind, "own_state_dict"):
        state["own"] = piece.own_state_dict()
    elif _has(kind, "state_dict"):
        return state | {"all": piece.state_dict()}
    else:
        state["inexact"] = (
            f"{kind.__name__} has no state_dict and load_state_dict, and no adapter says how to keep its state "
            "(register_adapter)"
        )
    if isinstance(piece, gym.Env | VectorEnv):
        state["generators"] = _generators(piece)
    return state | {"inside": [piece_state(part) for part in _inside(piece)]}


def load_piece_state(piece: Any, state: dict[str, Any]) -> None:
    """Restores what `piece_state` told, but for what is marked inexact.

    Raises:
        CheckpointError: the state is of something else.
    """
    kind = type(piece)
    if state["kind"] != kind.__name__:
        raise CheckpointError(f"it was made with a {state['kind']} where there is a {kind.__name__} now")
    if isinstance(piece, SubprocVecEnv):
        _load_elsewhere(piece, state)
        return
    adapter = adapter_of(piece)
    if "own" in state:
        if adapter is not None:
            adapter.load(piece, state["own"])
        elif _has(kind, "own_state_dict"):
            piece.load_own_state_dict(state["own"])
        else:
            raise CheckpointError(f"nobody has registered an adapter for {kind.__name__} here")
    elif "all" in state:
        piece.load_state_dict(state["all"])
        return
    if "generators" in state:
        _set_generators(piece, state["generators"])
    inside = _inside(piece)
    if len(inside) != len(state["inside"]):
        raise CheckpointError(
            f"it was made with {len(state['inside'])} in a {kind.__name__}, and there are {len(inside)}"
        )
    for part, part_state in zip(inside, state["inside"], strict=True):
        load_piece_state(part, part_state)


def inexact_parts(state: dict[str, Any]) -> Iterator[str]:
    """The reasons why a state is not all that there was."""
    if "inexact" in state:
        yield state["inexact"]
    for part in state.get("inside", ()):
        yield from inexact_parts(part)


def _inside(piece: Any) -> list[Any]:
    """What a piece wraps."""
    if isinstance(piece, VecEnvWrapper):
        return [piece.venv]
    if isinstance(piece, BatchVecEnv | gym.Wrapper | VectorWrapper):
        return [piece.env]
    if isinstance(piece, DummyVecEnv | SyncVectorEnv):
        return list(piece.envs)
    return []


def _has(kind: type, name: str) -> bool:
    # Asked of the class: a wrapper of Stable-Baselines3 would hand on the question to what it wraps.
    return hasattr(kind, name) and hasattr(kind, f"load_{name}")


def _generators(env: Any) -> dict[str, Any]:
    own = vars(env)
    return {
        "np_random": generator_state(own.get("_np_random")),
        "np_random_seed": own.get("_np_random_seed"),
        "spaces": {name: space_generators(own[name]) for name in _SPACES if own.get(name) is not None},
    }


def _set_generators(env: Any, state: dict[str, Any]) -> None:
    if state["np_random"] is not None:
        env._np_random = with_state(state["np_random"])
        env._np_random_seed = state["np_random_seed"]
    for name in _SPACES:
        if name in state["spaces"]:
            set_space_generators(getattr(env, name), state["spaces"][name])


def _states_elsewhere(venv: SubprocVecEnv) -> dict[str, Any]:
    """The states of environments in other processes, which each of them tells itself."""
    if not (venv.has_attr("class_name") and set(venv.env_method("class_name")) == {_TELLS_ALL}):
        return {
            "inexact": "the environments of SubprocVecEnv are in other processes, and their outermost wrapper is not "
            "StatefulEnv, which would tell their state: make_vec_env(..., wrapper_class=StatefulEnv)"
        }
    return {"inside": venv.env_method("state_dict")}


def _load_elsewhere(venv: SubprocVecEnv, state: dict[str, Any]) -> None:
    if "inexact" in state:
        return
    if len(state["inside"]) != venv.num_envs:
        raise CheckpointError(f"it was made with {len(state['inside'])} environments, and there are {venv.num_envs}")
    for index, part in enumerate(state["inside"]):
        venv.env_method("load_state_dict", part, indices=index)
