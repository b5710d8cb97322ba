from __future__ import annotations

import json
import re
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.buffers import ReplayBuffer

from wmil_agents.buffers.event_replay_buffer import EventReplayBuffer, EventReplayDictBuffer

PLANE = spaces.Box(-1000.0, 1000.0, (1,))


def buffer(size: int = 40, n_envs: int = 2, **kwargs: Any) -> EventReplayBuffer:
    return EventReplayBuffer(size, PLANE, spaces.Discrete(3), "cpu", n_envs=n_envs, **kwargs)


def add(memory: ReplayBuffer, step: int, rewards: list[float], truncated: bool = False) -> None:
    n = len(rewards)
    obs = np.full((n, 1), float(step)) + np.arange(n)[:, None] / 10
    infos = [{"TimeLimit.truncated": truncated} for _ in rewards]
    memory.add(obs, obs + 0.5, np.full((n, 1), step % 3), np.array(rewards), np.full(n, truncated), infos)


def test_a_share_of_each_batch_is_eventful_long_after_the_events_were_overwritten() -> None:
    memory = buffer(event_share=0.25)
    add(memory, 0, [0.0, 5.0])
    add(memory, 1, [-2.0, 0.0])
    for step in range(2, 40):
        add(memory, step, [0.0, 0.0])
    batch = memory.sample(100)
    assert len(batch.rewards) == 100
    assert set(batch.rewards[75:].flatten().tolist()) == {5.0, -2.0}
    assert not batch.rewards[:75].any()
    event = batch.observations[75:][batch.rewards[75:] == 5.0][0]
    assert float(event) == pytest.approx(0.1)


def test_without_events_batches_are_the_plain_ones() -> None:
    memory, plain = buffer(), ReplayBuffer(40, PLANE, spaces.Discrete(3), "cpu", n_envs=2)
    for each in (memory, plain):
        add(each, 1, [0.0, 0.0])
        add(each, 2, [0.0, 0.0])
    batches = []
    for each in (memory, plain):
        np.random.seed(0)  # noqa: NPY002  # Stable-Baselines3 draws from the global generator
        batches.append(each.sample(20))
    for mine, theirs in zip(*batches, strict=True):
        assert (mine is None and theirs is None) or torch.equal(mine, theirs)


def test_thresholds_say_what_an_event_is() -> None:
    memory = buffer(n_envs=4, rewarded_above=1.0, failed_below=-1.0)
    add(memory, 0, [0.5, 1.5, -0.5, -1.5])
    assert memory.events.size() == 2
    assert sorted(memory.events.rewards[:2, 0].tolist()) == [-1.5, 1.5]


def test_an_event_cut_by_a_time_limit_is_not_done() -> None:
    memory = buffer(event_share=0.5)
    add(memory, 0, [1.0, 1.0], truncated=True)
    assert not memory.sample(10).dones.any()


def test_beyond_its_capacity_the_oldest_event_is_overwritten_and_reset_forgets_all() -> None:
    memory = buffer(event_capacity=2)
    for step in range(3):
        add(memory, step, [float(step + 1), 0.0])
    assert sorted(memory.events.rewards[:, 0].tolist()) == [2.0, 3.0]
    memory.reset()
    assert memory.size() == memory.events.size() == 0


def test_dict_observations_work_too() -> None:
    space = spaces.Dict({"a": PLANE, "b": spaces.Discrete(3)})
    memory = EventReplayDictBuffer(8, space, spaces.Discrete(3), "cpu", n_envs=2, event_share=0.5)
    obs = {"a": np.array([[1.0], [2.0]]), "b": np.array([1, 2])}
    memory.add(obs, obs, np.array([[0], [1]]), np.array([0.0, 1.0]), np.array([False, False]), [{}, {}])
    batch = memory.sample(8)
    assert {name: rows.shape for name, rows in batch.observations.items()} == {"a": (8, 1), "b": (8, 1)}
    assert (batch.observations["a"][4:] == 2.0).all()


def continued(memory: ReplayBuffer) -> list[torch.Tensor]:
    """A few steps more, and the batches drawn then."""
    np.random.seed(0)  # noqa: NPY002  # Stable-Baselines3 draws from the global generator
    drawn = []
    for step in range(30, 40):
        add(memory, step, [0.0, float(step % 3 - 1)])
        batch = memory.sample(16)
        drawn += [batch.observations, batch.next_observations, batch.actions, batch.rewards, batch.dones]
    return drawn


@pytest.mark.parametrize("n_steps", [0, 3, 25])
def test_a_restored_buffer_goes_on_as_the_saved_one_would(n_steps: int) -> None:
    memory, other = (buffer(event_share=0.5, event_capacity=4) for _ in range(2))  # room for 20 steps of 2
    for step in range(n_steps):
        add(memory, step, [float(step % 2), 0.0], truncated=step % 5 == 4)
    for step in range(50):
        add(other, step, [9.0, -9.0])
    state = memory.state_dict()
    other.load_state_dict(state)
    assert (other.size(), other.events.size()) == (memory.size(), memory.events.size())
    memory_drawn, other_drawn = continued(memory), continued(other)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(memory_drawn, other_drawn, strict=True))
    json.dumps([{name: value for name, value in part.items() if name != "columns"} for part in state.values()])
    assert state["all"]["columns"]["rewards"].shape == (min(n_steps, 20), 2), "what was told is not what went on"


def test_a_restored_buffer_of_dicts_holds_the_same() -> None:
    space = spaces.Dict({"a": PLANE, "b": spaces.Discrete(3)})
    memory, other = (EventReplayDictBuffer(8, space, spaces.Discrete(3), "cpu", n_envs=2) for _ in range(2))
    obs = {"a": np.array([[1.0], [2.0]]), "b": np.array([1, 2])}
    memory.add(obs, obs, np.array([[0], [1]]), np.array([0.0, 1.0]), np.array([False, False]), [{}, {}])
    other.load_state_dict(memory.state_dict())
    for mine, theirs in ((memory, other), (memory.events, other.events)):
        assert mine.pos == theirs.pos == 1
        for name in ("a", "b"):
            np.testing.assert_array_equal(mine.observations[name], theirs.observations[name])
            np.testing.assert_array_equal(mine.next_observations[name], theirs.next_observations[name])


@pytest.mark.parametrize("settings", [{"size": 20}, {"size": 80}, {"n_envs": 4, "size": 80}, {"event_capacity": 3}])
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(settings: dict[str, Any]) -> None:
    memory, other = buffer(event_capacity=5), buffer(**{"event_capacity": 5} | settings)
    for step in range(25):
        add(memory, step, [1.0, 0.0])
    with pytest.raises(ValueError, match="do not fit into one of"):
        other.load_state_dict(memory.state_dict())
    assert other.size() == other.events.size() == 0


@pytest.mark.parametrize(("algorithm", "env_id"), [(DQN, "CartPole-v1"), (SAC, "Pendulum-v1")])
def test_stock_algorithms_learn_with_it(algorithm: type[DQN | SAC], env_id: str) -> None:
    model = algorithm(
        "MlpPolicy",
        gym.make(env_id),
        learning_starts=20,
        batch_size=16,
        buffer_size=100,
        replay_buffer_class=EventReplayBuffer,
        replay_buffer_kwargs={"event_share": 0.5},
        seed=0,
        device="cpu",
    ).learn(60)
    assert isinstance(model.replay_buffer, EventReplayBuffer)
    assert model.replay_buffer.events.size() == 60


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"event_share": 1.0}, "event_share must be at least 0 and below 1, not 1.0"),
        ({"event_share": float("nan")}, "event_share must be at least 0 and below 1, not nan"),
        ({"event_capacity": 0}, "event_capacity must be at least 1, not 0"),
        ({"event_capacity": 2.5}, r"event_capacity must be an integer, not 2\.5"),
        ({"failed_below": 1.0}, "every transition is an event"),
        ({"rewarded_above": float("nan")}, "rewarded_above=nan must be numbers"),
        ({"failed_below": float("nan")}, "failed_below=nan and rewarded_above=0.0 must be numbers"),
        ({"rewarded_above": float("-inf"), "failed_below": float("-inf")}, "every transition is an event"),
        ({"rewarded_above": float("inf"), "failed_below": float("-inf")}, "no transition is an event"),
        ({"optimize_memory_usage": True, "handle_timeout_termination": False}, "leave optimize_memory_usage out"),
    ],
)
def test_settings_that_mean_nothing_are_refused(kwargs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        buffer(**kwargs)


def test_the_error_names_the_buffer_for_these_observations() -> None:
    space = spaces.Dict({"a": PLANE})
    with pytest.raises(ValueError, match="use EventReplayDictBuffer"):
        EventReplayBuffer(8, space, spaces.Discrete(3), "cpu")
    with pytest.raises(ValueError, match="use EventReplayBuffer"):
        EventReplayDictBuffer(8, PLANE, spaces.Discrete(3), "cpu")


@pytest.mark.parametrize(
    ("rewards", "thresholds", "sentence"),
    [
        ([1.0, 1.0], {}, r"of the first 1,000 transitions all are events.* these rewards go from 1 to 1"),
        ([1.0, 1.0], {"rewarded_above": 1.0}, r"of the first 1,000 transitions none is an event, though rewards came"),
        ([1.0, 2.0], {"rewarded_above": 1.0}, None),
        ([0.0, 0.0], {}, None),
    ],
)
def test_events_that_single_out_nothing_are_told_once(
    rewards: list[float], thresholds: dict[str, float], sentence: str | None
) -> None:
    memory = buffer(size=1_600, **thresholds)  # 800 rows of 2
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for step in range(499):
            add(memory, step, rewards)
        assert not told
        for step in range(499, 2_000):
            add(memory, step, rewards)
    assert len(told) == (sentence is not None)
    for warning in told:
        assert re.search(str(sentence), str(warning.message))


def test_one_threshold_may_be_infinite() -> None:
    memory = buffer(rewarded_above=float("inf"), failed_below=-1.0)
    add(memory, 0, [5.0, -2.0])
    assert memory.events.rewards[: memory.events.size(), 0].tolist() == [-2.0]
