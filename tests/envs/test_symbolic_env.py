from __future__ import annotations

import multiprocessing

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded


@pytest.mark.parametrize("obs", ["attributes", "onehot"])
def test_a_step_before_reset_and_after_the_end_raises(env_id: str, obs: str) -> None:
    env = gym.make(env_id, horizon=2, obs=obs)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(0)
    env.reset(seed=0)
    env.step(0)
    assert env.step(0)[2]
    with pytest.raises(ResetNeeded, match="the episode has ended"):
        env.step(0)
    env.reset()
    env.step(0)


@pytest.mark.parametrize("action", [-1, 10**6, 0.5, "0", None, np.array([0, 1]), np.float64(1.0), True], ids=str)
def test_bad_actions_are_refused_in_a_sentence(env_id: str, action: object) -> None:
    env = gym.make(env_id)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="the action must be"):
        env.step(action)


@pytest.mark.parametrize("action", [1, np.int64(1), np.int32(1), np.array(1), np.uint8(1)], ids=type)
def test_every_integer_is_an_action(env_id: str, action: object) -> None:
    env = gym.make(env_id)
    env.reset(seed=0)
    expected = env.step(1)
    env.reset(seed=0)
    np.testing.assert_equal(env.step(action), expected)


def test_success_never_ends_an_episode_and_truncation_comes_from_outside_only(env_id: str) -> None:
    env = gym.make(env_id, horizon=4)
    env.reset(seed=0)
    world = env.unwrapped
    ends = []
    for _ in range(4):
        action = int(world.bank.correct[int(world.state_dict()["base"][0]) // world.bank.n_actions])
        _, reward, terminated, truncated, info = env.step(action)
        assert reward == 1.0
        assert info["success"] is True
        assert not truncated
        ends.append(terminated)
    assert ends == [False, False, False, True]
    limited = gym.make(env_id, horizon=4, max_episode_steps=2)
    limited.reset(seed=0)
    limited.step(0)
    assert limited.step(0)[2:4] == (False, True)


@pytest.mark.parametrize(
    "world",
    [{}, {"horizon": 3, "dynamics": "permute"}, {"horizon": 3, "dynamics": "fresh"}, {"curriculum": "mastery"}],
    ids=str,
)
def test_a_state_dict_continues_bit_for_bit(env_id: str, world: dict) -> None:
    def play(env: gym.Env, n: int) -> list:
        parts = []
        for step in range(n):
            part = env.step(step % env.action_space.n)
            parts.append(part)
            if part[2]:
                parts.append(env.reset())
        return parts

    env, other = (gym.make(env_id, **world) for _ in range(2))
    env.reset(seed=4)
    play(env, 5)
    state = env.unwrapped.state_dict()
    expected = play(env, 20)
    other.unwrapped.load_state_dict(state)
    np.testing.assert_equal(play(other, 20), expected)


def test_the_state_of_an_ended_episode_goes_over_to_a_vector_env(env_id: str) -> None:
    env, vector = gym.make(env_id), gym.make_vec(env_id, num_envs=1, autoreset_mode="disabled")
    env.reset(seed=0)
    env.step(0)
    vector.load_state_dict(env.unwrapped.state_dict())
    with pytest.raises(ResetNeeded, match="an episode has ended"):
        vector.step(np.array([0]))


def test_a_learning_curriculum_of_one_env_is_refused_in_a_worker_process() -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        sentence = pool.apply(_make_in_a_worker)
    assert "private to this worker process" in sentence


def _make_in_a_worker() -> str:
    try:
        gym.make("wmil_envs:WMIL/PatternEcho-v0", curriculum="mastery")
    except RuntimeError as error:
        gym.make("wmil_envs:WMIL/PatternEcho-v0", curriculum="uniform")
        gym.make_vec("wmil_envs:WMIL/PatternEcho-v0", num_envs=2, curriculum="mastery")
        return str(error)
    return "accepted"


def test_asking_for_the_state_or_a_frame_changes_nothing(env_id: str) -> None:
    asked, left_alone = (gym.make(env_id, horizon=3, dynamics="respond", render_mode="ansi") for _ in range(2))
    asked.reset(seed=2)
    left_alone.reset(seed=2)
    for step in range(12):
        asked.unwrapped.state_dict()
        asked.render()
        asked.unwrapped.prompt()
        np.testing.assert_equal(asked.step(1), left_alone.step(1))
        if step % 3 == 2:
            np.testing.assert_equal(asked.reset(), left_alone.reset())


def test_a_frame_shows_the_latest_observation() -> None:
    env = gym.make("WMIL/PatternEcho-v0", render_mode="ansi")
    env.reset(seed=0, options={"instance": 5})
    assert env.render().split() == ["symbol", "5", "last_action", "none", "feedback", "none"]
    env.step(5)
    assert env.render().split() == ["symbol", "5", "last_action", "5", "feedback", "right"]
    env.reset(options={"instance": 1})
    env.step(0)
    assert env.render().split() == ["symbol", "1", "last_action", "0", "feedback", "wrong"]


def test_a_first_reset_without_a_seed_differs_from_run_to_run() -> None:
    def trajectory() -> tuple[int, ...]:
        env = gym.make("WMIL/SequenceNext-v0", level=5)
        return tuple(int(value) for _ in range(8) for value in env.reset()[0])

    assert len({trajectory() for _ in range(4)}) == 4


def test_a_reset_mask_is_refused(env_id: str) -> None:
    with pytest.raises(ValueError, match="an option of vector envs"):
        gym.make(env_id).reset(options={"reset_mask": [True]})


def test_the_memory_of_answers_pays_consistency() -> None:
    env = gym.make("WMIL/PatternEcho-v0", reward_weights=(1.0, 0.0, 0.25))
    env.reset(seed=0, options={"instance": 3})
    assert env.step(3)[1] == 1.0
    env.reset(options={"instance": 3})
    assert env.step(3)[1] == 1.25
    env.reset(options={"instance": 3})
    assert env.step(2)[1] == 0.0
