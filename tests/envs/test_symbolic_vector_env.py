from __future__ import annotations

import copy
import itertools
import json
import pickle
import random
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from scipy.stats import chisquare

from wmil_envs import rendering

WORLDS: list[dict[str, Any]] = [
    {},
    {"level": 0},
    {"horizon": 3, "dynamics": "same", "level": 1},
    {"horizon": 3, "dynamics": "fresh"},
    {"horizon": 3, "dynamics": "permute", "time_aware": False},
    {"horizon": 2, "dynamics": "respond", "alphabet": 7},
    {"dynamics": "fresh"},
    {"horizon": 2, "parent": {"kind": "noisy", "flip": 0.3}},
    {"horizon": 2, "dynamics": "fresh", "parent": {"kind": "noisy", "flip": 0.3}},
    {"curriculum": "uniform", "horizon": 2},
    {"info": "full", "reward_weights": (1.0, 0.1, 0.1), "horizon": 2, "dynamics": "permute"},
    {"obs": "onehot"},
    {"obs": "dict", "horizon": 2},
]
SEED, STEPS, NUM_ENVS = 11, 26, 5


def actions_for(env: gym.vector.VectorEnv, n_steps: int = STEPS) -> np.ndarray:
    """(n_steps, num_envs) random actions; a column does not depend on num_envs."""
    n_actions = env.single_action_space.n
    columns = [np.random.default_rng((3, i)).integers(n_actions, size=n_steps) for i in range(env.num_envs)]
    return np.stack(columns, axis=1)


def row(batch: Any, env: int) -> Any:
    """One env's part of a batch: an observation, or infos without their masks."""
    if isinstance(batch, dict):
        return {key: row(value, env) for key, value in batch.items() if not key.startswith("_")}
    return batch[env]


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_env_i_is_the_single_env_with_seed_plus_i_in_every_autoreset_mode(env_id: str, world: dict) -> None:
    vectors = {mode: gym.make_vec(env_id, num_envs=NUM_ENVS, autoreset_mode=mode, **world) for mode in AutoresetMode}
    singles = [gym.make(env_id, **world) for _ in range(NUM_ENVS)]
    first = {mode: vector.reset(seed=SEED) for mode, vector in vectors.items()}
    for i, single in enumerate(singles):
        obs, info = single.reset(seed=SEED + i)
        for mode in AutoresetMode:
            np.testing.assert_equal(row(first[mode][0], i), obs)
            np.testing.assert_equal(row(first[mode][1], i), info)

    for actions in actions_for(vectors[AutoresetMode.SAME_STEP]):
        stepped = {mode: vector.step(actions) for mode, vector in vectors.items()}
        terminations = stepped[AutoresetMode.DISABLED][2]
        nexts: dict[AutoresetMode, Any] = {}
        if terminations.any():
            nexts[AutoresetMode.DISABLED] = vectors[AutoresetMode.DISABLED].reset(options={"reset_mask": terminations})
            nexts[AutoresetMode.NEXT_STEP] = vectors[AutoresetMode.NEXT_STEP].step(actions)
        for i, single in enumerate(singles):
            obs, reward, terminated, truncated, info = single.step(int(actions[i]))
            for mode in AutoresetMode:
                batch_obs, rewards, batch_terminations, truncations, infos = stepped[mode]
                assert rewards[i] == reward
                assert batch_terminations[i] == terminated
                assert truncations[i] == truncated is False
                of_one = row(infos, i)
                final = of_one.pop("final_obs", None)
                if final is None and "final_obs" in infos:
                    final = row(infos["final_obs"], i)
                np.testing.assert_equal(of_one, info)
                same_step_end = mode is AutoresetMode.SAME_STEP and terminated
                np.testing.assert_equal(final if same_step_end else row(batch_obs, i), obs)
            if terminated:
                obs, info = single.reset()
                np.testing.assert_equal(row(stepped[AutoresetMode.SAME_STEP][0], i), obs)
                for batch in nexts.values():
                    np.testing.assert_equal(row(batch[0], i), obs)
                    np.testing.assert_equal(row(batch[-1], i), info)


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_env_3_of_7_equals_env_3_of_1000(env_id: str, world: dict) -> None:
    few, many = (gym.make_vec(env_id, num_envs=n, **world) for n in (7, 1000))
    np.testing.assert_equal(row(few.reset(seed=SEED)[0], 3), row(many.reset(seed=SEED)[0], 3))
    for few_actions, many_actions in zip(actions_for(few), actions_for(many), strict=True):
        for few_part, many_part in zip(few.step(few_actions), many.step(many_actions), strict=True):
            if isinstance(few_part, dict) and "success" in few_part:
                assert few_part.keys() == many_part.keys()
                few_part, many_part = few_part["success"], many_part["success"]
            np.testing.assert_equal(row(few_part, 3), row(many_part, 3))


@pytest.mark.parametrize("mode", AutoresetMode)
def test_infos_are_those_of_the_documented_table(env_id: str, mode: AutoresetMode) -> None:
    full = {
        "vector_reward",
        "reward_weights",
        "task",
        "task_completion",
        "instance",
        "target",
        "regret",
        "parent_source",
    }
    at_reset = {"task", "instance", "target"}
    for info in ("lean", "full"):
        env = gym.make_vec(env_id, num_envs=3, horizon=2, info=info, autoreset_mode=mode)
        step_keys = {"success"} | (full if info == "full" else set())
        _, infos = env.reset(seed=0)
        assert plain_keys(infos) == (at_reset if info == "full" else set())
        *_, infos = env.step(np.zeros(3, dtype=np.int64))
        assert plain_keys(infos) == step_keys
        *_, infos = env.step(np.zeros(3, dtype=np.int64))
        assert plain_keys(infos) == step_keys | ({"final_obs"} if mode is AutoresetMode.SAME_STEP else set())
        if mode is AutoresetMode.NEXT_STEP:
            _, rewards, terminations, _, infos = env.step(np.zeros(3, dtype=np.int64))
            assert plain_keys(infos) == (at_reset if info == "full" else set())
            assert not rewards.any()
            assert not terminations.any()


def plain_keys(infos: dict) -> set[str]:
    for key in infos:
        if not key.startswith("_"):
            assert infos[f"_{key}"].dtype == np.bool_
    return {key for key in infos if not key.startswith("_")}


def test_full_infos_say_what_happened() -> None:
    env = gym.make_vec("WMIL/PatternEcho-v0", num_envs=3, horizon=2, info="full", reward_weights=(1.0, 0.1, 0.5))
    env.reset(seed=0, options={"instance": np.array([2, 5, 5])})
    _, rewards, _, _, infos = env.step(np.array([2, 4, 5]))
    np.testing.assert_array_equal(infos["instance"], [2, 5, 5])
    np.testing.assert_array_equal(infos["target"], [2, 5, 5])
    np.testing.assert_array_equal(infos["task"], [1, 1, 1])
    np.testing.assert_array_equal(infos["task_completion"], [0.5, 0.0, 0.5])
    np.testing.assert_array_equal(infos["regret"], [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(infos["vector_reward"], [[1, 0, 0], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(rewards, [1.0, 0.0, 1.0])
    _, rewards, _, _, infos = env.step(np.array([2, 5, 6]))
    np.testing.assert_array_equal(infos["task_completion"], [1.0, 0.5, 0.5])
    np.testing.assert_array_equal(infos["vector_reward"], [[1, 0, 1], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(rewards, [1.5, 1.0, 0.0])
    np.testing.assert_array_equal(infos["reward_weights"], [[1.0, 0.1, 0.5]] * 3)


def test_the_outcome_shows_symbol_action_and_verdict() -> None:
    env = gym.make_vec("WMIL/PatternEcho-v0", num_envs=2)
    obs, _ = env.reset(seed=0, options={"instance": np.array([3, 6])})
    np.testing.assert_array_equal(obs, [[3, 0, 0], [6, 0, 0]])
    obs, rewards, _, _, infos = env.step(np.array([3, 0]))
    np.testing.assert_array_equal(infos["final_obs"], [[3, 4, 2], [6, 1, 1]])
    np.testing.assert_array_equal(infos["success"], rewards == 1.0)
    assert not obs[:, 1:].any()


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_returned_arrays_never_alias(env_id: str, world: dict) -> None:
    env = gym.make_vec(env_id, num_envs=4, **world)
    kept = list(leaves(env.reset(seed=0)))
    for actions in actions_for(env, 6):
        kept += leaves(env.step(actions))
    copies = [array.copy() for array in kept]
    for first, second in itertools.combinations(kept, 2):
        assert not np.shares_memory(first, second)
    for actions in actions_for(env, 6):
        env.step(actions)
    for array, copied in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(array, copied)


def leaves(part: Any) -> list[np.ndarray]:
    if isinstance(part, np.ndarray):
        return [part]
    parts = part.values() if isinstance(part, dict) else part
    return [leaf for inner in parts for leaf in leaves(inner)]


def test_what_a_caller_writes_into_an_observation_changes_nothing(env_id: str) -> None:
    spoilt, clean = (gym.make_vec(env_id, num_envs=3, horizon=2, dynamics="permute") for _ in range(2))
    spoilt.reset(seed=0)[0][:] = 0
    clean.reset(seed=0)
    for actions in actions_for(clean, 8):
        first, second = spoilt.step(actions), clean.step(actions)
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])
        first[0][:] = 0


def test_what_a_caller_writes_into_an_observation_does_not_come_back_from_a_partial_reset(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=3, horizon=2, autoreset_mode="disabled")
    first, _ = env.reset(seed=0)
    untouched = first.copy()
    first[:] = 0
    mask = np.array([True, False, False])
    np.testing.assert_array_equal(env.reset(options={"reset_mask": mask})[0][1:], untouched[1:])
    obs, *_ = env.step(np.zeros(3, dtype=np.int64))
    untouched = obs.copy()
    obs[:] = 0
    np.testing.assert_array_equal(env.reset(options={"reset_mask": mask})[0][1:], untouched[1:])


@pytest.mark.parametrize(
    ("actions", "sentence"),
    [
        (np.array([0, 1, 99]), "at least 0 and below .*, not 99"),
        (np.array([0, -1, 1]), "at least 0 and below .*, not -1"),
        (np.array([0.0, 1.0, 1.0]), "must be integers, not float64"),
        (np.array([True, False, True]), "must be integers, not bool"),
        (np.array([0, 1]), r"shape \(3,\), one for each env, not \(2,\)"),
        (np.zeros((3, 1), dtype=np.int64), r"shape \(3,\), one for each env, not \(3, 1\)"),
        (1, r"shape \(3,\), one for each env, not \(\)"),
    ],
    ids=str,
)
def test_bad_actions_are_refused_in_a_sentence(env_id: str, actions: Any, sentence: str) -> None:
    env = gym.make_vec(env_id, num_envs=3)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=sentence):
        env.step(actions)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_actions_of_every_integer_type_mean_the_same(env_id: str, dtype: type) -> None:
    env, other = (gym.make_vec(env_id, num_envs=3) for _ in range(2))
    env.reset(seed=0)
    other.reset(seed=0)
    np.testing.assert_equal(env.step(np.array([0, 1, 2])), other.step(np.array([0, 1, 2], dtype=dtype)))
    np.testing.assert_equal(env.step(np.array([2, 1, 2])), other.step([2, 1, 2]))


def test_a_step_before_the_first_reset_raises(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=2)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(np.zeros(2, dtype=np.int64))
    shown = gym.make_vec(env_id, num_envs=2, render_mode="ansi", reveals_all_actions=True).unwrapped
    for ask in (env.unwrapped.state_dict, env.unwrapped.prompts, shown.render, shown.action_scores):
        with pytest.raises(ResetNeeded, match="call reset"):
            ask()


def test_a_step_after_the_end_raises_without_autoreset(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=2, autoreset_mode="disabled")
    env.reset(seed=0)
    env.step(np.zeros(2, dtype=np.int64))
    with pytest.raises(ResetNeeded, match="reset_mask"):
        env.step(np.zeros(2, dtype=np.int64))
    env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ResetNeeded, match="reset_mask"):
        env.step(np.zeros(2, dtype=np.int64))
    env.reset(options={"reset_mask": np.array([False, True])})
    env.step(np.zeros(2, dtype=np.int64))


def test_a_partial_reset_leaves_the_other_envs_where_they_are(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=3, horizon=4, dynamics="respond", autoreset_mode="disabled")
    alone = [gym.make(env_id, horizon=4, dynamics="respond") for _ in range(3)]
    env.reset(seed=0)
    for i, single in enumerate(alone):
        single.reset(seed=i)
    rng = np.random.default_rng(1)
    steps = np.zeros(3, dtype=int)
    for _ in range(40):
        mask = (rng.random(3) < 0.2) | (steps == 4)
        if mask.any():
            obs, _ = env.reset(options={"reset_mask": mask})
            for i in np.flatnonzero(mask):
                np.testing.assert_array_equal(obs[i], alone[i].reset()[0])
            steps[mask] = 0
        actions = rng.integers(env.single_action_space.n, size=3)
        obs, rewards, terminations, _, _ = env.step(actions)
        steps += 1
        for i, single in enumerate(alone):
            single_obs, reward, terminated, _, _ = single.step(actions[i])
            np.testing.assert_array_equal(obs[i], single_obs)
            assert (rewards[i], terminations[i]) == (reward, terminated)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"instnce": 1}, "options instance, level and reset_mask"),
        (3, "options must be a dict, not 3"),
        ({"instance": 10**6}, "option instance must be at least 0 and below"),
        ({"instance": -1}, "option instance must be at least 0 and below"),
        ({"instance": 0.5}, "option instance must be an integer"),
        ({"instance": [1, 2]}, "option instance must be an integer or an array"),
        ({"level": 99}, "has the levels"),
        ({"level": [0, 0]}, "option level must be an integer or an array"),
        ({"reset_mask": np.ones(3, dtype=bool)}, 'needs an env made with autoreset_mode="disabled"'),
    ],
    ids=str,
)
def test_bad_reset_options_are_refused_in_a_sentence(env_id: str, options: dict, sentence: str) -> None:
    env = gym.make_vec(env_id, num_envs=3)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=sentence):
        env.reset(options=options)
    env.step(np.zeros(3, dtype=np.int64))


def test_a_bad_reset_mask_is_refused_in_a_sentence(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=3, autoreset_mode="disabled")
    with pytest.raises(ValueError, match="after a first reset"):
        env.reset(options={"reset_mask": np.ones(3, dtype=bool)})
    env.reset(seed=0)
    for mask in (np.zeros(3, dtype=bool), np.ones(2, dtype=bool), np.ones(3)):
        with pytest.raises(ValueError, match="boolean array"):
            env.reset(options={"reset_mask": mask})


def test_the_level_of_a_reset_holds_until_the_next_reset() -> None:
    env = gym.make_vec("WMIL/PatternEcho-v0", num_envs=64)
    obs, _ = env.reset(seed=0, options={"level": 0})
    assert obs[:, 0].max() == 3
    for _ in range(3):
        obs, *_ = env.step(np.zeros(64, dtype=np.int64))
        assert obs[:, 0].max() == 3
    obs, _ = env.reset()
    assert obs[:, 0].max() > 3
    mixed, _ = env.reset(options={"level": np.repeat([0, 1], 32)})
    assert mixed[:32, 0].max() == 3 < mixed[32:, 0].max()


def test_groups_draw_the_same_instances(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=12, group_size=4, horizon=2, dynamics="fresh")
    obs, _ = env.reset(seed=0)
    n_visible = env.unwrapped.world.observation.n_visible
    seen = [obs]
    for actions in actions_for(env, 20):
        seen.append(env.step(actions)[0])
    for obs in seen:
        groups = obs[:, :n_visible].reshape(3, 4, -1)
        assert (groups == groups[:, :1]).all()
    assert any((obs[0, :n_visible] != obs[4, :n_visible]).any() for obs in seen)


def test_instances_are_uniform(env_id: str) -> None:
    for level in range(len(gym.make(env_id).unwrapped.task.levels)):
        env = gym.make_vec(env_id, num_envs=500, info="full", level=level)
        members = env.unwrapped.bank.levels[level]
        drawn = [env.reset(seed=1)[1]["instance"]]
        for _ in range(max(20, len(members) // 5)):
            drawn.append(env.step(np.zeros(500, dtype=np.int64))[-1]["instance"])
        counts = np.bincount(np.concatenate(drawn), minlength=env.unwrapped.bank.n_instances)
        assert counts.sum() == counts[members].sum()
        assert chisquare(counts[members]).pvalue > 1e-3


def test_the_same_seed_gives_the_same_and_another_seed_another_trajectory(env_id: str) -> None:
    def trajectory(seed: int) -> np.ndarray:
        env = gym.make_vec(env_id, num_envs=4, horizon=2, dynamics="fresh")
        return np.stack([env.reset(seed=seed)[0], *(env.step(actions)[0] for actions in actions_for(env))])

    np.testing.assert_array_equal(trajectory(1), trajectory(1))
    assert (trajectory(1) != trajectory(100)).any()


def test_no_global_generator_is_touched(env_id: str) -> None:
    def global_state() -> bytes:
        return pickle.dumps((random.getstate(), np.random.get_state()))  # noqa: NPY002 (the one that must not move)

    before = global_state()
    env = gym.make_vec(env_id, num_envs=4, curriculum="mastery", parent={"kind": "noisy", "flip": 0.1}, alphabet=1)
    env.reset()
    for actions in actions_for(env):
        env.step(actions)
    assert before == global_state()


@pytest.mark.parametrize(
    "world", [*WORLDS, {"curriculum": {"kind": "mastery", "window": 5, "threshold": 0.1}}], ids=str
)
@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_state_dict_continues_bit_for_bit(env_id: str, world: dict, mode: AutoresetMode) -> None:
    def play(env: gym.vector.VectorEnv, sequence: np.ndarray) -> list[Any]:
        parts = []
        for actions in sequence:
            part = env.step(actions)
            parts.append(part)
            if mode is AutoresetMode.DISABLED and part[2].any():
                parts.append(env.reset(options={"reset_mask": part[2]}))
        return parts

    env, other = (gym.make_vec(env_id, num_envs=4, autoreset_mode=mode, **world) for _ in range(2))
    env.reset(seed=9)
    sequence = actions_for(env)
    play(env, sequence[:7])
    state = copy.deepcopy(env.state_dict())
    expected = play(env, sequence[7:])
    other.load_state_dict(state)
    np.testing.assert_equal(play(other, sequence[7:]), expected)


def test_a_state_dict_is_json_and_arrays(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=2, curriculum="mastery")
    env.reset(seed=0)
    state = env.state_dict()
    json.dumps({key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in state.items()})


def test_a_foreign_state_is_refused(env_id: str) -> None:
    env, other = gym.make_vec(env_id, num_envs=2), gym.make_vec(env_id, num_envs=3)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="this is no state of an environment"):
        other.load_state_dict({})
    with pytest.raises(ValueError, match="num_envs 2, this one has 3"):
        other.load_state_dict(env.state_dict())
    others: dict[str, Any] = {
        "task": {"horizon": 2},
        "info": {"info": "full"},
        "curriculum": {"curriculum": "mastery"},
        "level": {"level": 0},
        "autoreset_mode": {"autoreset_mode": "disabled"},
        "parent": {"parent": {"kind": "noisy", "flip": 0.1}},
        "group_size": {"group_size": 2},
        "reward_weights": {"reward_weights": (1, 0, 1)},
        "time_aware": {"time_aware": False},
    }
    for name, arguments in others.items():
        other = gym.make_vec(env_id, num_envs=2, **arguments)
        other.reset(seed=7)
        before = other.unwrapped.state_dict()
        with pytest.raises(ValueError, match=f"the state is of an env with {name} "):
            other.load_state_dict(env.state_dict())
        np.testing.assert_equal(other.unwrapped.state_dict(), before)


def test_a_state_keeps_its_types_through_json(env_id: str) -> None:
    env, other = (gym.make_vec(env_id, num_envs=3, autoreset_mode="disabled") for _ in range(2))
    env.reset(seed=0)
    env.step(np.zeros(3, dtype=np.int64))
    other.load_state_dict(json.loads(json.dumps(env.state_dict(), default=lambda array: array.tolist())))
    options = {"reset_mask": np.array([True, False, True])}
    obs, other_obs = env.reset(options=options)[0], other.reset(options=options)[0]
    np.testing.assert_array_equal(obs, other_obs)
    assert obs.dtype == other_obs.dtype == np.int32


def test_all_scores_are_revealed_only_on_request(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=3)
    env.reset(seed=0)
    with pytest.raises(RuntimeError, match="reveals_all_actions=True"):
        env.action_scores()
    env = gym.make_vec(env_id, num_envs=3, reveals_all_actions=True)
    env.reset(seed=0)
    scores = env.action_scores()
    assert scores.shape == (3, env.single_action_space.n)
    _, rewards, *_ = env.step(scores.argmax(1))
    np.testing.assert_array_equal(rewards, 1.0)


def test_revealed_scores_are_the_rewards_to_come_noise_included(env_id: str) -> None:
    noise = {"kind": "noisy", "flip": 0.4}
    env = gym.make_vec(env_id, num_envs=500, horizon=3, dynamics="fresh", parent=noise, reveals_all_actions=True)
    env.reset(seed=0)
    for actions in actions_for(env, 9):
        scores = env.unwrapped.action_scores()
        _, rewards, *_ = env.step(actions)
        np.testing.assert_array_equal(scores[np.arange(500), actions], rewards)


def test_one_curriculum_serves_all_envs() -> None:
    env = gym.make_vec("WMIL/PatternEcho-v0", num_envs=50, curriculum="mastery", info="full")
    obs, infos = env.reset(seed=0)
    for step in range(4):
        assert (infos["task"] == (0 if step <= 2 else 1)).all()
        obs, *_, infos = env.step(obs[:, 0].astype(np.int64))
    assert obs[:, 0].max() > 3


def test_frames_of_a_vector_env_have_one_shape(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=3, render_mode="rgb_array", horizon=2)
    env.reset(seed=0)
    frames = [*env.render()]
    env.step(np.zeros(3, dtype=np.int64))
    frames += env.render()
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert frames[0].dtype == np.uint8
    observation = env.unwrapped.world.observation
    for row in env.unwrapped._engine.rows:
        widest = max(len(line) for line in rendering.ansi(observation.label(row)).splitlines())
        assert widest <= observation.widest_row
    text = gym.make_vec(env_id, num_envs=1, render_mode="ansi")
    text.reset(seed=0)
    assert text.unwrapped.attributes[0].name in text.render()[0]
    assert gym.make_vec(env_id, num_envs=1).render() is None


def test_a_prompt_names_every_attribute(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=2)
    env.reset(seed=0)
    for prompt in env.unwrapped.prompts():
        assert all(f"{attribute.name}: " in prompt for attribute in env.unwrapped.attributes)
        assert f"from 0 to {env.single_action_space.n - 1}" in prompt


def test_a_partial_reset_leaves_the_levels_of_the_others_and_marks_its_rows() -> None:
    env = gym.make_vec(
        "WMIL/SequenceNext-v0", num_envs=64, curriculum="uniform", info="full", autoreset_mode="disabled", horizon=2
    )
    _, first = env.reset(seed=0)
    mask = np.arange(64) < 32
    _, infos = env.reset(options={"reset_mask": mask})
    np.testing.assert_array_equal(infos["task"][~mask], first["task"][~mask])
    np.testing.assert_array_equal(infos["instance"][~mask], first["instance"][~mask])
    assert (infos["task"][mask] != first["task"][mask]).any()
    for key in ("_task", "_instance", "_target"):
        np.testing.assert_array_equal(infos[key], mask)


def test_groups_share_the_levels_of_a_curriculum() -> None:
    env = gym.make_vec("WMIL/SequenceNext-v0", num_envs=64, group_size=2, curriculum="uniform", info="full")
    _, infos = env.reset(seed=0)
    for _ in range(5):
        levels = infos["task"].reshape(32, 2)
        assert (levels[:, 0] == levels[:, 1]).all()
        assert len(np.unique(levels)) > 1
        _, infos = env.reset()


def test_noise_has_a_stream_of_its_own() -> None:
    env = gym.make_vec("WMIL/PatternEcho-v0", num_envs=4000, parent={"kind": "noisy", "flip": 0.5}, level=0)
    obs, _ = env.reset(seed=0)
    _, rewards, *_ = env.step(obs[:, 0].astype(np.int64))
    for symbol in range(4):
        assert abs(rewards[obs[:, 0] == symbol].mean() - 0.5) < 0.08


def test_a_level_asked_for_comes_before_the_curriculum() -> None:
    env = gym.make_vec("WMIL/PatternEcho-v0", num_envs=64, curriculum="mastery", info="full")
    _, infos = env.reset(seed=0, options={"level": 1})
    assert (infos["task"] == 1).all()
    _, infos = env.reset()
    assert (infos["task"] == 0).all()


def test_mastery_hears_the_share_of_right_answers() -> None:
    settings = {"kind": "mastery", "threshold": 0.5, "window": 4}
    for n_right, expected in ((1, 1), (0, 0)):
        env = gym.make_vec("WMIL/PatternEcho-v0", num_envs=4, horizon=2, curriculum=settings, info="full")
        _, infos = env.reset(seed=0)
        right = infos["target"]
        wrong = (right + 1) % 8
        env.step(right if n_right else wrong)
        *_, infos = env.step(wrong)  # the last answer alone would say 0
        _, infos = env.reset()
        assert (infos["task"] == expected).all()


def test_regret_counts_the_noise() -> None:
    env = gym.make_vec("WMIL/PatternEcho-v0", num_envs=4, info="full", parent={"kind": "noisy", "flip": 0.25})
    _, infos = env.reset(seed=0)
    actions = np.where(np.arange(4) < 2, infos["target"], (infos["target"] + 1) % 8)
    *_, infos = env.step(actions)
    np.testing.assert_allclose(infos["regret"], [0.0, 0.0, 0.5, 0.5])


def test_consistency_goes_by_what_is_seen_and_is_forgotten_with_a_new_seed() -> None:
    env = gym.make_vec("WMIL/SequenceNext-v0", num_envs=1, level=5, info="full")
    bank = env.unwrapped.bank
    first = int(bank.levels[5][0])
    twin = next(int(i) for i in bank.levels[5] if i != first and bank.visible_ids[i] == bank.visible_ids[first])

    def cons(instance: int, **kwargs: Any) -> float:
        env.reset(options={"instance": instance}, **kwargs)
        return float(env.step(np.array([3]))[-1]["vector_reward"][0, 2])

    assert cons(first, seed=0) == 0.0
    assert cons(twin) == 1.0, "the hidden rule differs, the sight does not"
    assert cons(first, seed=0) == 0.0, "a new seed is a new life"


def random_bank_world(num_envs: int, autoreset_mode: str = "same_step") -> Any:
    """PatternEcho's shell around a bank with three possible successors of every answer."""
    from wmil_envs.bank import Bank
    from wmil_envs.symbolic_vector_env import SymbolicVectorEnv
    from wmil_envs.tasks.pattern_echo import PatternEcho

    task = PatternEcho(n_symbols=4, horizon=2)
    rng = np.random.default_rng(0)
    bank = Bank(
        attributes=task.attributes,
        instances=task.instances(1),
        levels=(np.arange(2), np.arange(4)),
        correct=np.arange(4),
        scores=rng.random((4, 4)),
        flip=0.2,
        successors=rng.integers(4, size=(4, 4, 3)),
        successor_probabilities=rng.dirichlet(np.ones(3), size=(4, 4)),
        horizon=2,
    )
    return SymbolicVectorEnv(task, num_envs, bank=bank, info="full", autoreset_mode=autoreset_mode)


def test_successors_come_as_often_as_the_bank_says() -> None:
    n = 20_000
    env = random_bank_world(n)
    for instance, action in itertools.product(range(4), range(4)):
        env.reset(seed=instance, options={"instance": instance})
        obs, *_ = env.step(np.full(n, action))
        expected = np.zeros(4)
        np.add.at(expected, env.bank.successors[instance, action], env.bank.successor_probabilities[instance, action])
        shares = np.bincount(obs[:, 0], minlength=4) / n
        assert (np.abs(shares - expected) <= 4.5 * np.sqrt(expected * (1 - expected) / n)).all()


def test_fractional_scores_are_flipped_as_a_whole() -> None:
    env = random_bank_world(5_000)
    env.reset(seed=0, options={"instance": 2})
    score = env.bank.scores[2, 1]
    obs, rewards, *_ = env.step(np.full(5_000, 1))
    flipped = ~np.isclose(rewards, score)
    np.testing.assert_allclose(rewards[flipped], 1.0 - score)
    assert abs(flipped.mean() - 0.2) < 4 * (0.2 * 0.8 / 5_000) ** 0.5
    np.testing.assert_array_equal(obs[:, 2] == 2, (score >= 0.5) ^ flipped)
    assert abs(rewards.mean() - env.bank.mean_rewards[2, 1]) < 0.05


def test_an_unseeded_run_can_be_repeated_from_its_seed(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=8, level=0)
    first, _ = env.reset()
    again, _ = gym.make_vec(env_id, num_envs=8, level=0).reset(seed=env.unwrapped.np_random_seed)
    np.testing.assert_array_equal(first, again)
    single = gym.make(env_id, level=0)
    obs, _ = single.reset()
    np.testing.assert_array_equal(obs, gym.make(env_id, level=0).reset(seed=single.unwrapped.np_random_seed)[0])
