from __future__ import annotations

import pickle
import time

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from wmil_envs.registration import ROWS

VARIANTS = [
    {},
    {"horizon": 3, "dynamics": "fresh"},
    {"obs": "onehot"},
    {"obs": "dict"},
    {"info": "full", "horizon": 2, "dynamics": "respond"},
    {"curriculum": "uniform"},
    {"parent": {"kind": "noisy", "flip": 0.2}},
    {"alphabet": 3},
    {"render_mode": "rgb_array"},
]


@pytest.mark.parametrize("arguments", VARIANTS, ids=str)
def test_gymnasium_finds_nothing_wrong(env_id: str, arguments: dict) -> None:
    env = gym.make(env_id, **arguments).unwrapped
    check_env(env, skip_render_check=arguments.get("render_mode") is None)


@pytest.mark.parametrize("arguments", VARIANTS, ids=str)
def test_stable_baselines_finds_nothing_wrong(env_id: str, arguments: dict) -> None:
    sb3_check_env(gym.make(env_id, **arguments).unwrapped, warn=True)


@pytest.mark.parametrize("arguments", VARIANTS, ids=str)
def test_a_spec_travels_as_json(env_id: str, arguments: dict) -> None:
    env = gym.make(env_id, **arguments)
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.task == env.unwrapped.task
    first, _ = env.reset(seed=5)
    second, _ = again.reset(seed=5)
    np.testing.assert_equal(first, second)


def test_a_spec_travels_as_a_pickle(env_id: str) -> None:
    spec = pickle.loads(pickle.dumps(gym.make(env_id, horizon=2).spec))
    assert gym.make(spec).unwrapped.horizon == 2


def test_an_env_travels_as_a_pickle(env_id: str) -> None:
    env = gym.make(env_id, horizon=2)
    env.reset(seed=3)
    copy = pickle.loads(pickle.dumps(env))
    for action in (1, 2):
        np.testing.assert_equal(env.step(action), copy.step(action))


def test_the_module_can_be_part_of_the_id(env_id: str) -> None:
    assert gym.make(f"wmil_envs:{env_id}").unwrapped.task.n_actions >= 2


def test_make_vec_finds_the_native_vector_env(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=3)
    assert type(env.unwrapped).__name__ == "SymbolicVectorEnv"
    assert env.spec.kwargs["vectorization_mode"] == "vector_entry_point"


def test_make_puts_no_wrapper_around_the_env(env_id: str) -> None:
    env = gym.make(env_id)
    assert env is env.unwrapped


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_an_unknown_argument_is_refused_with_the_nearest_one(row) -> None:
    with pytest.raises(TypeError, match="did you mean 'horizon'"):
        gym.make(row.id, horizn=2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"horizon": 0}, "horizon must be at least 1, not 0"),
        ({"dynamics": "slow"}, "dynamics must be one of same, fresh, permute, respond, not 'slow'"),
        ({"alphabet": -1}, "alphabet must be at least 0, not -1"),
        ({"level": 9}, "has the levels 0 .* not 9"),
        ({"level": 0, "curriculum": "mastery"}, "a level or a curriculum, not both"),
        ({"curriculum": "luck"}, "a curriculum is one of mastery, uniform, not 'luck'"),
        ({"curriculum": {"kind": "mastery", "treshold": 1}}, "takes no argument 'treshold'; did you mean 'threshold'"),
        ({"parent": "nobody"}, "a parent is one of rule, noisy, recorded, llm, not 'nobody'"),
        ({"parent": {"kind": "noisy"}}, "takes \\['flip'\\], not \\[\\]"),
        ({"obs": "pixels"}, "obs must be one of attributes, onehot, dict, not 'pixels'"),
        ({"info": "all"}, "info must be one of lean, full, not 'all'"),
        ({"reward_weights": (1, 2)}, "must be three finite numbers"),
        ({"reward_weights": 3}, "must be three finite numbers"),
        ({"reward_weights": "a"}, "must be three finite numbers"),
        ({"curriculum": {"kind": "mastery", "window": "a"}}, "window must be an integer, not 'a'"),
        ({"curriculum": {"kind": "mastery", "threshold": "a"}}, r"threshold must be in \(0, 1\], not 'a'"),
        ({"curriculum": {"kind": "mastery", "replay": None}}, r"replay must be in \[0, 1\), not None"),
        ({"parent": {"kind": "noisy", "flip": None}}, "flip must be a probability, not None"),
        ({"parent": {"kind": "recorded", "path": 3}}, "must be a path, not 3"),
        ({"time_aware": "yes"}, "time_aware must be True or False, not 'yes'"),
        ({"horizon": 2**40}, "horizon must be at most 1,000,000"),
        ({"horizon": 2.0}, r"horizon must be an integer, not 2\.0"),
        ({"horizon": True}, "horizon must be an integer, not True"),
        ({"horizon": "2"}, "horizon must be an integer, not '2'"),
        ({"alphabet": 1.5}, r"alphabet must be an integer, not 1\.5"),
        ({"curriculum": 3}, "a curriculum is one of mastery, uniform, not 3"),
        ({"parent": {"kind": ["x"]}}, "a parent is one of"),
        ({"parent": ""}, "a parent is one of"),
        ({"parent": {"kind": "noisy", "flip": "x"}}, "flip must be a probability"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_in_a_sentence(env_id: str, arguments: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        gym.make(env_id, **arguments)
    with pytest.raises(ValueError, match=sentence):
        gym.make_vec(env_id, num_envs=2, **arguments)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"num_envs": 0}, "num_envs must be at least 1, not 0"),
        ({"num_envs": 4, "group_size": 3}, "group_size must divide the 4 envs"),
        ({"num_envs": 2, "autoreset_mode": "never"}, "one of next_step, same_step, disabled, not 'never'"),
        ({"num_envs": 2, "render_mode": "human"}, "render_mode must be one of"),
    ],
    ids=str,
)
def test_bad_vector_arguments_are_refused_in_a_sentence(env_id: str, arguments: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        gym.make_vec(env_id, **arguments)


@pytest.mark.parametrize("name", ["num_envs", "group_size", "autoreset_mode"])
def test_a_single_env_refuses_arguments_of_vector_envs(env_id: str, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} is an argument of a vector env"):
        gym.make(env_id, **{name: 1})


def test_misspelt_arguments_of_the_shell_are_recognised_too(env_id: str) -> None:
    for wrong, right in (
        ("group_sise", "group_size"),
        ("autoreset_mod", "autoreset_mode"),
        ("render_mod", "render_mode"),
    ):
        with pytest.raises(TypeError, match=f"did you mean '{right}'"):
            gym.make_vec(env_id, num_envs=2, **{wrong: 1})


def test_a_world_too_large_for_tables_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"has 10,000,000,000 questions .* make it smaller"):
        gym.make("WMIL/PatternEcho-v0", n_symbols=100_000)


def test_integers_of_every_kind_make_the_same_env(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=np.int64(3), horizon=np.int64(2))
    env.reset(seed=0)
    env.step(np.zeros(3, dtype=np.int64))
    *_, terminations, _, _ = env.step(np.zeros(3, dtype=np.int64))
    assert terminations.shape == (3,)
    assert repr(env.unwrapped.task) == repr(gym.make(env_id, horizon=2).unwrapped.task)


def test_a_large_world_is_made_in_moments() -> None:
    start = time.process_time()
    for _ in range(5):
        gym.make("WMIL/SequenceNext-v0", n_symbols=16)
    assert time.process_time() - start < 5.0


@pytest.mark.parametrize(("name", "least"), [("PatternEcho", 2), ("SequenceNext", 4)])
def test_too_few_symbols_are_refused(name: str, least: int) -> None:
    gym.make(f"WMIL/{name}-v0", n_symbols=least)
    with pytest.raises(ValueError, match=f"must be at least {least}, not {least - 1}"):
        gym.make(f"WMIL/{name}-v0", n_symbols=least - 1)
