from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecCheckNan, VecEnv, VecMonitor, VecNormalize

from wmil_agents.vec_env.history import HistoryVecEnv
from wmil_agents.vec_env.history_space import HistorySpace
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env
from wmil_agents.vec_env.next_observation_recorder import NextObservationRecorder

LENGTH = 4


class Counting(gym.Env[Any, Any]):
    """Counts 1, 2, 3, ...; an episode of env i lasts i + 2 steps; any action of its space will do."""

    def __init__(self, place: int, action_space: spaces.Space[Any], observation_space: spaces.Space[Any]) -> None:
        self.n_steps, self.count, self.episode = place + 2, 0, 0
        self.action_space, self.observation_space = action_space, observation_space

    def _seen(self) -> Any:
        self.count += 1
        if isinstance(self.observation_space, spaces.Discrete):
            return self.count
        return np.full(self.observation_space.shape, self.count, self.observation_space.dtype)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.start = self.count
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        seen = self._seen()
        return seen, 0.0, self.count - self.start > self.n_steps, False, {}


OBSERVATIONS = (spaces.Discrete(99), spaces.MultiDiscrete([99, 99]), spaces.Box(0, 99, (2,)))
ACTIONS = (spaces.Discrete(5), spaces.MultiDiscrete([3, 4]), spaces.Box(-1, 1, (2,)))


def counting(action_space: spaces.Space[Any], observation_space: spaces.Space[Any], n: int = 3) -> VecEnv:
    return DummyVecEnv([lambda place=place: Counting(place, action_space, observation_space) for place in range(n)])


@pytest.mark.parametrize("observation_space", OBSERVATIONS)
@pytest.mark.parametrize("action_space", ACTIONS)
def test_a_history_is_the_episode_so_far_written_out(
    observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
) -> None:
    env = HistoryVecEnv(counting(action_space, observation_space), LENGTH)
    action_space.seed(0)
    obs = env.reset()
    episodes: list[list[tuple[int, Any]]] = [[(1, None)] for _ in range(3)]
    counts = [1, 1, 1]
    n_ended = 0
    for _ in range(20):
        actions = np.array([action_space.sample() for _ in range(3)])
        obs, _, dones, infos = env.step(actions)
        for i in range(3):
            counts[i] += 1
            episodes[i].append((counts[i], actions[i]))
            if dones[i]:
                check(infos[i]["terminal_observation"], episodes[i])
                counts[i] += 1
                episodes[i] = [(counts[i], None)]
                n_ended += 1
            check({name: rows[i] for name, rows in obs.items()}, episodes[i])
    assert n_ended > 10


def check(history: dict[str, np.ndarray], episode: list[tuple[int, Any]]) -> None:
    lately = episode[-LENGTH:]
    n_absent = LENGTH - len(lately)
    assert history["observation_mask"].tolist() == [0] * n_absent + [1] * len(lately)
    assert (history["observation"][:n_absent] == 0).all()
    assert (history["action"][history["action_mask"] == 0] == 0).all()
    assert (history["action_mask"][:n_absent] == 0).all()
    for place, (count, action) in enumerate(lately, start=n_absent):
        assert (history["observation"][place] == count).all()
        assert history["action_mask"][place] == (action is not None)
        if action is not None:
            np.testing.assert_array_equal(history["action"][place], np.reshape(action, -1))


def test_histories_are_in_their_space() -> None:
    env = HistoryVecEnv(make_batch_vec_env("CartPole-v1", 2, seed=0), LENGTH)
    obs = env.reset()
    assert isinstance(env.observation_space, HistorySpace)
    for _ in range(40):
        for i in range(2):
            assert env.observation_space.contains({name: rows[i] for name, rows in obs.items()})
        obs, *_ = env.step(np.ones(2, dtype=np.int64))


def test_what_is_returned_is_the_callers_own() -> None:
    env, other = (HistoryVecEnv(make_batch_vec_env("CartPole-v1", 2, seed=0), LENGTH) for _ in range(2))
    mine, theirs = env.reset(), other.reset()
    for _ in range(30):
        for rows in mine.values():
            rows[:] = 1
        actions = np.ones(2, dtype=np.int64)
        mine, _, dones, infos = env.step(actions)
        actions[:] = 7
        theirs, *_ = other.step(np.ones(2, dtype=np.int64))
        for name, rows in theirs.items():
            np.testing.assert_array_equal(mine[name], rows)
        for i in np.flatnonzero(dones):
            for rows in infos[i]["terminal_observation"].values():
                rows[:] = 1


def test_a_recorder_around_it_sees_the_terminal_history() -> None:
    env = NextObservationRecorder(HistoryVecEnv(counting(ACTIONS[0], OBSERVATIONS[2]), LENGTH))
    env.reset()
    env.step(np.zeros(3, dtype=np.int64))
    obs, _, dones, _ = env.step(np.zeros(3, dtype=np.int64))
    assert dones.tolist() == [True, False, False]
    assert env.next_observations["observation"][0, :, 0].tolist() == [0, 1, 2, 3]
    assert obs["observation"][0, :, 0].tolist() == [0, 0, 0, 4]


@pytest.mark.parametrize("wrapped", [lambda env: env, VecMonitor])
def test_normalisation_below_reaches_every_row_the_terminal_one_included(wrapped: Any) -> None:
    normalised = VecNormalize(counting(ACTIONS[0], OBSERVATIONS[2]), training=False, norm_reward=False)
    normalised.obs_rms.mean[:], normalised.obs_rms.var[:] = 1.0, 4.0
    env = HistoryVecEnv(wrapped(normalised), LENGTH)
    env.reset()
    env.step(np.zeros(3, dtype=np.int64))
    obs, _, _, infos = env.step(np.zeros(3, dtype=np.int64))
    np.testing.assert_allclose(infos[0]["terminal_observation"]["observation"][:, 0], [0, 0.0, 0.5, 1.0], atol=1e-6)
    np.testing.assert_allclose(
        obs["observation"][:, :, 0], [[0, 0, 0, 1.5], [0, 0, 0.5, 1.0], [0, 0, 0.5, 1.0]], atol=1e-6
    )


@pytest.mark.parametrize("normalised", [False, True])
def test_a_state_continues_bit_for_bit_in_another_env(normalised: bool) -> None:
    def made(seed: int) -> HistoryVecEnv:
        id, arguments = "wmil_envs:WMIL/PatternEcho-v0", {"horizon": 6, "obs": "onehot" if normalised else "attributes"}
        env: VecEnv = make_batch_vec_env(id, 3, seed=seed, **arguments)
        return HistoryVecEnv(VecNormalize(env) if normalised else env, LENGTH)

    one, other = made(0), made(1)
    rng = np.random.default_rng(0)
    one.reset()
    for _ in range(8):
        one.step(rng.integers(8, size=3))
    other.reset()
    other.load_state_dict(one.state_dict())
    for _ in range(12):
        actions = rng.integers(8, size=3)
        (a, reward_a, done_a, _), (b, reward_b, done_b, _) = one.step(actions), other.step(actions)
        assert all(np.array_equal(a[name], b[name]) for name in a)
        assert (reward_a.tolist(), done_a.tolist()) == (reward_b.tolist(), done_b.tolist())


def test_a_state_that_does_not_fit_is_refused() -> None:
    id = "wmil_envs:WMIL/PatternEcho-v0"
    one, other = (HistoryVecEnv(make_batch_vec_env(id, 3, seed=0), length) for length in (4, 5))
    one.reset()
    with pytest.raises(ValueError, match="has the shape"):
        other.load_state_dict(one.state_dict())
    one_that_forgets = HistoryVecEnv(VecCheckNan(make_batch_vec_env(id, 2)), 4)
    with pytest.raises(TypeError, match="VecCheckNan has no state_dict"):
        one_that_forgets.state_dict()


@pytest.mark.parametrize("length", [0, 2.5, "3"])
def test_a_length_that_is_none_is_refused(length: Any) -> None:
    with pytest.raises(ValueError, match=f"the length of a history must be .*, not {length!r}"):
        HistoryVecEnv(make_batch_vec_env("CartPole-v1", 1), length)
