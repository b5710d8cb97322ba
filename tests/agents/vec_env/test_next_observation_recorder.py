from __future__ import annotations

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv, VecCheckNan, VecEnv, VecMonitor, VecNormalize

from wmil_agents.vec_env.batch_vec_env import BatchVecEnv
from wmil_agents.vec_env.next_observation_recorder import NextObservationRecorder

MakeEnv = Callable[..., BatchVecEnv]


def dummy(n_envs: int) -> VecEnv:
    return DummyVecEnv([lambda: gym.make("wmil_envs:WMIL/PatternEcho-v0")] * n_envs)


@pytest.mark.parametrize("kind", ["batch", "monitor", "dummy"])
def test_where_an_episode_ends_the_terminal_observation_is_recorded(make_env: MakeEnv, kind: str) -> None:
    inner = {"batch": lambda: make_env(6), "monitor": lambda: VecMonitor(dummy(6)), "dummy": lambda: dummy(6)}[kind]()
    recorder = NextObservationRecorder(inner)
    recorder.seed(0)
    obs = recorder.reset()
    for action in range(3):
        following, _, dones, _ = recorder.step(np.full(6, action))
        assert dones.all()
        right = obs[:, 0] == action
        expected = np.stack([obs[:, 0], np.full(6, action + 1), 1 + right], axis=1)
        np.testing.assert_array_equal(recorder.next_observations, expected)
        assert not np.array_equal(recorder.next_observations, following)
        obs = following


def test_where_no_episode_ends_the_next_observation_is_recorded(make_env: MakeEnv) -> None:
    recorder = NextObservationRecorder(make_env(horizon=2))
    recorder.reset()
    assert recorder.next_observations is None
    following, _, dones, _ = recorder.step(np.zeros(8, dtype=int))
    assert not dones.any()
    np.testing.assert_array_equal(recorder.next_observations, following)


def test_normalised_environments_are_recorded_normalised() -> None:
    normalised = VecNormalize(DummyVecEnv([lambda: gym.make("CartPole-v1", max_episode_steps=5)] * 2), clip_obs=0.01)
    recorder = NextObservationRecorder(normalised)
    recorder.reset()
    for _ in range(7):
        _, _, dones, infos = recorder.step(np.array([0, 1]))
        assert isinstance(recorder.next_observations, np.ndarray)
        assert np.abs(recorder.next_observations).max() <= 0.01
        for index in np.flatnonzero(dones):
            np.testing.assert_array_equal(recorder.next_observations[index], infos[index]["terminal_observation"])


def test_some_ends_and_dict_observations_are_put_together(make_env: MakeEnv) -> None:
    recorder = NextObservationRecorder(make_env(obs="dict"))
    obs = recorder.reset()
    recorder.step(np.zeros(8, dtype=int))
    assert isinstance(recorder.next_observations, dict)
    assert isinstance(obs, dict)
    np.testing.assert_array_equal(recorder.next_observations["symbol"], obs["symbol"])
    assert (recorder.next_observations["last_action"] == 1).all()


class Forgetful(DummyVecEnv):
    def step_wait(self):
        obs, rewards, dones, _ = super().step_wait()
        return obs, rewards, dones, [{} for _ in dones]


def test_an_environment_that_loses_its_terminal_observation_is_refused() -> None:
    recorder = NextObservationRecorder(Forgetful([lambda: gym.make("wmil_envs:WMIL/PatternEcho-v0")]))
    recorder.reset()
    with pytest.raises(RuntimeError, match="without a terminal_observation"):
        recorder.step(np.zeros(1, dtype=int))


def test_a_state_continues_bit_for_bit_in_another_recorder(make_env: MakeEnv) -> None:
    one, other = (NextObservationRecorder(make_env(horizon=3, dynamics="fresh")) for _ in range(2))
    one.seed(0)
    one.reset()
    one.step(np.arange(8))
    other.load_state_dict(one.state_dict())
    for step in range(7):
        actions = (np.arange(8) + step) % 8
        np.testing.assert_equal(one.step(actions)[:3], other.step(actions)[:3])
        np.testing.assert_array_equal(one.next_observations, other.next_observations)


def test_a_wrapper_whose_state_would_be_lost_is_refused(make_env: MakeEnv) -> None:
    with pytest.raises(TypeError, match="VecCheckNan has no state_dict"):
        NextObservationRecorder(VecCheckNan(make_env())).state_dict()
