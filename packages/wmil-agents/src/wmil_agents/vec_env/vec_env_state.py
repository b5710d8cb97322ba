"""The state of a vector environment, that of `VecNormalize` included, which tells none itself."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

_OBSERVATION_MOMENTS = "observation_moments"


def vec_env_state(venv: VecEnv) -> dict[str, Any]:
    """Everything the next step depends on, as arrays and JSON.

    Raises:
        TypeError: The environment, or a wrapper in it, does not tell its own.
    """
    if not isinstance(venv, VecNormalize):
        state: dict[str, Any] = _saveable(venv).state_dict()
        return state
    return {"env": vec_env_state(venv.venv), **normaliser_state(venv)}


def load_vec_env_state(venv: VecEnv, state: dict[str, Any]) -> None:
    """Continues from what `vec_env_state` returned, without a reset."""
    if not isinstance(venv, VecNormalize):
        _saveable(venv).load_state_dict(state)
        return
    load_normaliser_state(venv, state)
    load_vec_env_state(venv.venv, state["env"])


def normaliser_state(venv: VecNormalize) -> dict[str, Any]:
    """What is kept in the wrapper, not in what it wraps."""
    return {
        _OBSERVATION_MOMENTS: {name: _told(moments) for name, moments in _observation_moments(venv).items()},
        "return_moments": _told(venv.ret_rms),
        "returns": venv.returns.copy(),
        "unnormalised_observations": deepcopy(venv.old_obs),
        "unnormalised_rewards": venv.old_reward.copy(),
    }


def load_normaliser_state(venv: VecNormalize, state: dict[str, Any]) -> None:
    """Restores what `normaliser_state` returned."""
    own = _observation_moments(venv)
    if state.get(_OBSERVATION_MOMENTS, {}).keys() != own.keys():
        raise ValueError("the state is of environments that were not normalised as these are")
    for name, moments in own.items():
        _load(moments, state[_OBSERVATION_MOMENTS][name])
    _load(venv.ret_rms, state["return_moments"])
    venv.returns = np.array(state["returns"], dtype=np.float64)
    venv.old_obs = deepcopy(state["unnormalised_observations"])
    venv.old_reward = np.array(state["unnormalised_rewards"])


def _observation_moments(venv: VecNormalize) -> dict[str, RunningMeanStd]:
    """The running means and variances of the observations, by the names of a Dict's entries."""
    if not venv.norm_obs:
        return {}
    moments: RunningMeanStd | dict[str, RunningMeanStd] = venv.obs_rms
    return moments if isinstance(moments, dict) else {"": moments}


def _told(moments: RunningMeanStd) -> dict[str, Any]:
    return {"mean": np.array(moments.mean), "variance": np.array(moments.var), "count": float(moments.count)}


def _load(moments: RunningMeanStd, state: dict[str, Any]) -> None:
    moments.mean = np.array(state["mean"], dtype=np.float64)
    moments.var = np.array(state["variance"], dtype=np.float64)
    moments.count = float(state["count"])


def _saveable(venv: VecEnv) -> Any:
    # Asked of the class: a wrapper of Stable-Baselines3 would hand on what it wraps, and leave its own state out.
    for name in ("state_dict", "load_state_dict"):
        if not hasattr(type(venv), name):
            raise TypeError(f"{type(venv).__name__} has no {name}, so the state of these environments cannot be kept")
    return venv
