"""`BatchVecEnv` against SB3's own `DummyVecEnv` and `Monitor`, on environments whose every number is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from wmil_agents.vec_env.batch_vec_env import BatchVecEnv


class Countdown(gym.Env[Any, Any]):
    """Shows (its number, the step); ends by itself after `length` steps, or is cut off after `limit`.

    The reward is the step's number; `success` says whether the last action was 1.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 1}

    def __init__(self, number: int = 0, length: int = 3, limit: int = 99, as_dict: bool = False) -> None:
        self.number, self.length, self.limit, self.as_dict = number, length, limit, as_dict
        box = spaces.Box(0, 1000, (2,), np.float32)
        self.observation_space = spaces.Dict({"row": box, "step": spaces.Discrete(100)}) if as_dict else box
        self.action_space = spaces.Discrete(2)
        self.render_mode = "rgb_array"
        self.n_steps = 0
        self.level = 0

    def _observation(self) -> Any:
        row = np.array([self.number, self.n_steps], dtype=np.float32)
        return {"row": row, "step": np.int64(self.n_steps)} if self.as_dict else row

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.n_steps = 0
        return self._observation(), {"began": (options or {}).get("began", 7)}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.n_steps += 1
        terminated, truncated = self.n_steps >= self.length, self.n_steps >= self.limit
        info = {"success": bool(action == 1), "parts": {"twice": 2.0 * self.n_steps}}
        return self._observation(), float(self.n_steps), terminated, truncated, info

    def render(self) -> Any:
        return np.full((4, 4, 3), self.number, dtype=np.uint8)

    def ask(self, plus: int) -> int:
        return self.number + plus


def countdowns(n: int, **kwargs: Any) -> list[Callable[[], gym.Env[Any, Any]]]:
    """Makers of `n` countdowns; number i is i steps longer than number 0."""
    length = kwargs.pop("length", 2)
    return [lambda i=i: Countdown(number=i, length=length + i, **kwargs) for i in range(n)]


class NativeCountdown(VectorEnv[Any, Any, Any]):
    """A vector environment without single ones: shows (index, step), ends after `lengths[i]` steps, reward = step.

    With `reuses_memory` every observation is written into the same array, as some fast environments do.
    """

    def __init__(
        self, lengths: list[int], mode: AutoresetMode = AutoresetMode.SAME_STEP, reuses_memory: bool = False
    ) -> None:
        self.metadata = {"autoreset_mode": mode}
        self.num_envs = len(lengths)
        self.lengths = np.array(lengths)
        self.reuses_memory = reuses_memory
        self.single_observation_space = spaces.Box(0, 1000, (2,), np.float32)
        self.observation_space = spaces.Box(0, 1000, (self.num_envs, 2), np.float32)
        self.single_action_space = spaces.Discrete(2)
        self.action_space = spaces.MultiDiscrete([2] * self.num_envs)
        self.memory, self.final_memory = np.zeros((2, self.num_envs, 2), dtype=np.float32)
        self.steps = np.zeros(self.num_envs, dtype=np.int64)
        self.horizon = 5
        self.seeds: list[int | None] = []

    def _observations(self) -> Any:
        batch = self.memory if self.reuses_memory else np.empty_like(self.memory)
        batch[:, 0] = np.arange(self.num_envs)
        batch[:, 1] = self.steps
        return batch

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, dtype=np.bool_))
        self.seeds.append(seed)
        self.steps = np.where(mask, 0, self.steps)
        return self._observations(), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        self.steps = self.steps + 1
        done = self.steps >= self.lengths
        everybody = np.ones(self.num_envs, dtype=np.bool_)
        info: dict[str, Any] = {"success": np.asarray(actions) == 1, "_success": everybody}
        rewards = self.steps.astype(np.float64)
        if self.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP and done.any():
            final = self.final_memory if self.reuses_memory else np.empty_like(self.memory)
            final[:] = self._observations()
            info["final_obs"], info["_final_obs"] = final, done
            self.steps = np.where(done, 0, self.steps)
        return self._observations(), rewards, done, np.zeros_like(done), info

    def ask(self, plus: int) -> int:
        return plus

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = np.array(state["steps"])


def sync(n: int = 3, mode: AutoresetMode = AutoresetMode.SAME_STEP, copy: bool = True, **kwargs: Any) -> BatchVecEnv:
    return BatchVecEnv(SyncVectorEnv(countdowns(n, **kwargs), autoreset_mode=mode, copy=copy))


def dummy(n: int = 3, **kwargs: Any) -> DummyVecEnv:
    return DummyVecEnv([lambda make=make: Monitor(make()) for make in countdowns(n, **kwargs)])


def assert_same(one: Any, other: Any) -> None:
    """Equal up to the time, through dicts and arrays."""
    if isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in other.keys() - {"t"}:
            assert_same(one[key], other[key])
    else:
        np.testing.assert_array_equal(one, other)


MODES = [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize("limit", [99, 3])
def test_it_equals_dummy_vec_env_with_monitor(mode: AutoresetMode, as_dict: bool, limit: int) -> None:
    ours, theirs = sync(mode=mode, as_dict=as_dict, limit=limit), dummy(as_dict=as_dict, limit=limit)
    rng = np.random.default_rng(0)
    assert_same(ours.reset(), theirs.reset())
    assert ours.reset_infos == theirs.reset_infos
    for _ in range(12):
        actions = rng.integers(2, size=3)
        observations, rewards, dones, infos = ours.step(actions)
        expected_observations, expected_rewards, expected_dones, expected_infos = theirs.step(actions)
        assert_same(observations, expected_observations)
        assert_same(rewards, expected_rewards)
        assert rewards.dtype == expected_rewards.dtype
        assert_same(dones, expected_dones)
        assert ours.reset_infos == theirs.reset_infos
        for i, expected in enumerate(expected_infos):
            if expected_dones[i]:
                expected["is_success"] = expected["success"]
            assert_same(infos[i], expected)


@pytest.mark.parametrize("mode", MODES)
def test_a_native_vector_env_tells_the_same(mode: AutoresetMode) -> None:
    ours, theirs = BatchVecEnv(NativeCountdown([2, 3, 4], mode)), dummy()
    assert_same(ours.reset(), theirs.reset())
    for step in range(9):
        actions = np.array([step % 2, 1, 0])
        observations, rewards, dones, infos = ours.step(actions)
        expected_observations, expected_rewards, expected_dones, expected_infos = theirs.step(actions)
        assert_same(observations, expected_observations)
        assert_same(rewards, expected_rewards)
        assert_same(dones, expected_dones)
        for i, expected in enumerate(expected_infos):
            for key in ("terminal_observation", "episode", "TimeLimit.truncated", "success"):
                assert_same(infos[i].get(key), expected.get(key))
            assert infos[i].get("is_success") == (bool(actions[i]) if dones[i] else None)


def test_an_episode_cut_off_by_a_time_limit_is_marked_and_one_that_ended_anyway_is_not() -> None:
    env = sync(n=2, length=2, limit=2)  # the first ends by itself at the step of its limit, the second is only cut off
    env.reset()
    env.step(np.zeros(2, dtype=int))
    _, _, dones, infos = env.step(np.zeros(2, dtype=int))
    assert dones.all()
    assert [info["TimeLimit.truncated"] for info in infos] == [False, True]


def test_next_step_mode_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r'(?s)ask for another mode.*autoreset_mode="same_step".*"SameStep"'):
        sync(mode=AutoresetMode.NEXT_STEP)


def test_an_env_that_does_not_say_its_mode_is_refused() -> None:
    env = NativeCountdown([2])
    env.metadata = {}
    with pytest.raises(ValueError, match="autoreset_mode"):
        BatchVecEnv(env)


def test_a_single_env_is_refused() -> None:
    with pytest.raises(TypeError, match=r"make_vec"):
        BatchVecEnv(Countdown())  # type: ignore[arg-type]  # the mistake under test


def test_same_step_mode_without_final_observations_is_an_error() -> None:
    class Forgetful(NativeCountdown):
        def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
            *rest, _ = super().step(actions)
            return (*rest, {})  # type: ignore[return-value]  # unpacked again as five

    env = BatchVecEnv(Forgetful([1]))
    env.reset()
    with pytest.raises(RuntimeError, match="final_obs"):
        env.step(np.zeros(1, dtype=int))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", ["sync without copies", "native with one memory"])
def test_observations_keep_their_values_when_the_env_writes_over_its_memory(make: str, mode: AutoresetMode) -> None:
    if make == "native with one memory":
        env = BatchVecEnv(NativeCountdown([2, 3, 4], mode, reuses_memory=True))
    else:
        env = sync(mode=mode, copy=False)
    handed_out = [env.reset()]
    then = [np.array(handed_out[0])]
    finals: list[tuple[Any, Any]] = []
    for _ in range(8):
        observations, _, dones, infos = env.step(np.zeros(3, dtype=int))
        handed_out.append(observations)
        then.append(np.array(observations))
        step_infos: Any = infos
        finals += [(infos[i]["terminal_observation"], i) for i in range(3) if dones[i]]
        finals += [(step_infos.final_observations[i], i) for i in range(3) if dones[i]]
    for now, before in zip(handed_out, then, strict=True):
        np.testing.assert_array_equal(now, before)
    assert len({row.__array_interface__["data"][0] for row in handed_out}) == len(handed_out)
    for row, i in finals:
        np.testing.assert_array_equal(row, [i, 2 + i])


def test_fresh_observations_are_handed_on_without_a_copy() -> None:
    native = NativeCountdown([9, 9])
    env = BatchVecEnv(native)
    env.reset()
    made: list[Any] = []
    step = native.step
    native.step = lambda actions: made.append(step(actions)) or made[-1]  # type: ignore[method-assign,func-returns-value]  # a spy
    for _ in range(4):
        observations = env.step(np.zeros(2, dtype=int))[0]
    assert observations is made[-1][0]


def test_arrays_of_one_step_do_not_change_with_the_next() -> None:
    env = BatchVecEnv(NativeCountdown([3, 4]))
    env.reset()
    first: Any = env.step(np.ones(2, dtype=int))[3]
    for _ in range(4):
        env.step(np.ones(2, dtype=int))
    assert first.episode_returns.tolist() == [1.0, 1.0]
    assert first.episode_lengths.tolist() == [1, 1]


def test_a_seed_reaches_env_i_as_seed_plus_i_and_only_once() -> None:
    env = BatchVecEnv(SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 3, autoreset_mode="SameStep"))
    env.seed(5)
    seeded = env.reset()
    unseeded = env.reset()
    for i in range(3):
        np.testing.assert_array_equal(seeded[i], gym.make("CartPole-v1").reset(seed=5 + i)[0])
    assert not np.array_equal(seeded, unseeded)
    np.testing.assert_array_equal(seeded, env.reset(seed=5))


def test_seeding_without_a_number_leaves_the_global_generator_alone() -> None:
    np.random.seed(3)  # noqa: NPY002  # the generator that must not be touched
    before = np.random.get_state()[1]  # noqa: NPY002 (the global generator is what is tested)
    native = NativeCountdown([2, 2])
    env = BatchVecEnv(native)
    env.seed()
    env.reset()
    assert isinstance(native.seeds[-1], int)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002 (the global generator is what is tested)


def test_reset_options_reach_the_env_once_and_must_be_the_same_for_all() -> None:
    env = sync()
    env.set_options({"began": 3})
    env.reset()
    assert env.reset_infos == [{"began": 3}] * 3
    env.reset()
    assert env.reset_infos == [{"began": 7}] * 3
    env.set_options([{"began": 1}, {"began": 2}, {"began": 3}])
    with pytest.raises(ValueError, match="one dict of reset options"):
        env.reset()


def test_attributes_and_methods_of_single_envs_are_reached() -> None:
    env = sync()
    assert env.get_attr("number") == [0, 1, 2]
    assert env.get_attr("number", indices=[2, 0]) == [2, 0]
    env.set_attr("level", 4, indices=1)
    assert env.get_attr("level") == [0, 4, 0]
    assert env.env_method("ask", 10, indices=[1]) == [11]
    assert env.env_method("ask", plus=1) == [1, 2, 3]
    assert not env.has_attr("absent")
    with pytest.raises(AttributeError, match="absent"):
        env.get_attr("absent")
    with pytest.raises(AttributeError, match="absent"):
        env.env_method("absent")


def test_attributes_and_methods_of_a_native_env_are_repeated() -> None:
    native = NativeCountdown([2, 2, 2])
    env = BatchVecEnv(native)
    assert env.get_attr("horizon") == [5, 5, 5]
    assert env.env_method("ask", 3, indices=[0]) == [3]
    env.set_attr("horizon", 6)
    assert native.horizon == 6
    with pytest.raises(ValueError, match="only for all"):
        env.set_attr("horizon", 7, indices=[0])
    with pytest.raises(AttributeError, match="absent"):
        env.get_attr("absent")
    assert env.env_is_wrapped(gym.wrappers.TimeLimit) == [False] * 3


def test_attributes_are_found_through_vector_wrappers() -> None:
    class Named(gym.vector.VectorWrapper):
        nickname = "n"

    env = BatchVecEnv(Named(NativeCountdown([2, 2])))
    assert env.get_attr("nickname") == ["n", "n"]
    assert env.get_attr("horizon") == [5, 5]


def test_wrappers_of_single_envs_are_seen_and_monitor_is_never_missing() -> None:
    makers = [lambda: gym.wrappers.TimeLimit(Countdown(), 5), Countdown]
    env = BatchVecEnv(SyncVectorEnv(makers, autoreset_mode="SameStep"))
    assert env.env_is_wrapped(gym.wrappers.TimeLimit) == [True, False]
    assert env.env_is_wrapped(gym.wrappers.TimeLimit, indices=[1]) == [False]
    assert env.env_is_wrapped(Monitor) == [True, True]


def test_an_async_vector_env_works_and_survives_a_missing_attribute() -> None:
    makers = [lambda: gym.make("CartPole-v1")] * 2
    env = BatchVecEnv(AsyncVectorEnv(makers, autoreset_mode="SameStep", context="spawn"))
    theirs = DummyVecEnv([lambda: Monitor(gym.make("CartPole-v1"))] * 2)
    theirs.seed(1)
    assert_same(env.reset(seed=1), theirs.reset())
    for _ in range(30):
        observations, rewards, dones, infos = env.step(np.ones(2, dtype=int))
        expected = theirs.step(np.ones(2, dtype=int))
        for one, other in zip((observations, rewards, dones), expected, strict=False):
            assert_same(one, other)
        for one, other in zip(infos, expected[3], strict=True):
            assert_same(one, other)
    assert not env.has_attr("absent")
    with pytest.raises(AttributeError, match="absent"):
        env.get_attr("absent")
    assert env.get_attr("gravity", indices=[1]) == [9.8]
    env.set_attr("gravity", 3.0)
    assert env.get_attr("gravity") == [3.0, 3.0]
    assert env.env_method("get_wrapper_attr", "gravity") == [3.0, 3.0]
    with pytest.raises(ValueError, match="only for all"):
        env.env_method("get_wrapper_attr", "gravity", indices=[0])
    with pytest.raises(NotImplementedError, match="other processes"):
        env.env_is_wrapped(gym.wrappers.TimeLimit)
    env.close()


def test_frames_of_all_envs_come_as_one_picture() -> None:
    env = sync(n=4)
    env.reset()
    assert len(env.get_images()) == 4
    picture = env.render()
    assert picture is not None
    assert picture.shape == (8, 8, 3)
    assert picture.max() == 3


def test_the_state_continues_bit_for_bit() -> None:
    env = BatchVecEnv(NativeCountdown([4, 5, 6]))
    env.reset()
    for _ in range(3):
        env.step(np.ones(3, dtype=int))
    state = json.loads(json.dumps(env.state_dict(), default=lambda array: array.tolist()))
    other = BatchVecEnv(NativeCountdown([4, 5, 6]))
    other.load_state_dict({**state, "seconds": 1000.0})
    for _ in range(7):
        ours, theirs = env.step(np.ones(3, dtype=int)), other.step(np.ones(3, dtype=int))
        for one, another in zip(ours[:3], theirs[:3], strict=True):
            assert_same(one, another)
        for one, another in zip(ours[3], theirs[3], strict=True):
            assert_same(one, another)
            assert "episode" not in another or another["episode"]["t"] >= 1000.0


def test_a_state_is_refused_where_it_does_not_fit() -> None:
    with pytest.raises(TypeError, match="has no state_dict"):
        sync().state_dict()
    state = BatchVecEnv(NativeCountdown([2, 2])).state_dict()
    with pytest.raises(ValueError, match="of 2 environments, and there are 3"):
        BatchVecEnv(NativeCountdown([2, 2, 2])).load_state_dict(state)
