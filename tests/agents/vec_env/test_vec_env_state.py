from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from stable_baselines3.common.vec_env import VecCheckNan, VecEnv, VecEnvWrapper, VecNormalize

from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
from wmil_agents.vec_env.vec_env_state import load_vec_env_state, vec_env_state

MakeEnv = Callable[..., BatchVecEnv]


class Dicts(VecEnvWrapper):
    """The observations twice, one of them as an entry that is not normalised."""

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv, spaces.Dict({"seen": venv.observation_space, "raw": venv.observation_space}))

    def reset(self) -> Any:
        return self._twice(self.venv.reset())

    def step_wait(self) -> Any:
        obs, rewards, dones, infos = self.venv.step_wait()
        for i in np.flatnonzero(dones):
            infos[i]["terminal_observation"] = self._twice(infos[i]["terminal_observation"])
        return self._twice(obs), rewards, dones, infos

    def state_dict(self) -> dict[str, Any]:
        return vec_env_state(self.venv)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        load_vec_env_state(self.venv, state)

    def _twice(self, obs: Any) -> Any:
        return {"seen": obs, "raw": obs.copy()}


@pytest.mark.parametrize(
    ("wrap", "settings"),
    [
        (lambda env: env, {}),
        (lambda env: env, {"norm_obs": False}),
        (lambda env: env, {"norm_reward": False}),
        (Dicts, {"norm_obs_keys": ["seen"]}),
    ],
)
def test_normalised_environments_continue_bit_for_bit(wrap: Any, settings: dict[str, Any], make_env: MakeEnv) -> None:
    one, other = (VecNormalize(wrap(make_env(horizon=4, obs="onehot")), **settings) for _ in range(2))
    rng = np.random.default_rng(0)
    one.seed(0)
    one.reset()
    for _ in range(6):
        one.step(rng.integers(8, size=8))
    state = vec_env_state(one)
    load_vec_env_state(other, state)
    np.testing.assert_equal(one.get_original_obs(), other.get_original_obs())
    for _ in range(9):
        actions = rng.integers(8, size=8)
        np.testing.assert_equal(one.step(actions)[:3], other.step(actions)[:3])
        np.testing.assert_equal(one.get_original_obs(), other.get_original_obs())
        np.testing.assert_array_equal(one.get_original_reward(), other.get_original_reward())
    assert state["return_moments"]["count"] == pytest.approx(6 * 8, abs=0.01), "what was told is not what went on"


def test_but_for_arrays_a_state_is_json(make_env: MakeEnv) -> None:
    env = VecNormalize(make_env(obs="onehot"))
    env.reset()
    json.dumps(vec_env_state(env), default=np.ndarray.tolist)


def test_what_would_lose_something_is_refused_in_a_sentence(make_env: MakeEnv) -> None:
    with pytest.raises(TypeError, match="VecCheckNan has no state_dict, so the state of these environments"):
        vec_env_state(VecNormalize(VecCheckNan(make_env(obs="onehot"))))
    with pytest.raises(ResetNeeded):
        vec_env_state(VecNormalize(make_env(obs="onehot")))
    plain, normalised = make_env(obs="onehot"), VecNormalize(make_env(obs="onehot"))
    rewards_alone = VecNormalize(make_env(obs="onehot"), norm_obs=False)
    for env in (plain, normalised, rewards_alone):
        env.reset()
    with pytest.raises(ValueError, match="not normalised as these are"):
        load_vec_env_state(normalised, vec_env_state(plain))
    with pytest.raises(ValueError, match="not normalised as these are"):
        load_vec_env_state(normalised, vec_env_state(rewards_alone))
