from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from wmil_envs.bank import compile_bank
from wmil_envs.exact_value import policy_value, table_value
from wmil_envs.oracle import Exact, Unavailable
from wmil_envs.parent import FALLBACK, LIVE, Verdicts
from wmil_envs.parents.noisy import NoisyParent
from wmil_envs.parents.rule import RuleParent
from wmil_envs.symbolic_env import SymbolicEnv
from wmil_envs.symbolic_vector_env import SymbolicVectorEnv
from wmil_envs.tasks.conditional import Conditional
from wmil_envs.tasks.pattern_echo import PatternEcho
from wmil_envs.tasks.sequence_next import SequenceNext

SEED = 5
TASKS = [
    PatternEcho(),
    PatternEcho(horizon=3, dynamics="respond"),
    PatternEcho(horizon=2, dynamics="fresh"),
    SequenceNext(horizon=2, dynamics="permute"),
    Conditional(alphabet=1),
]


def actions_for(env: Any, n_steps: int = 40) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for _ in range(n_steps):
        yield rng.integers(env.world.n_actions, size=env.num_envs)


def without_source(infos: dict) -> dict:
    return {key: value for key, value in infos.items() if not key.endswith("parent_source")}


def assert_equal_steps(one: tuple, other: tuple) -> None:
    for part, like in zip(one[:-1], other[:-1], strict=True):
        np.testing.assert_array_equal(part, like)
    np.testing.assert_equal(without_source(one[-1]), without_source(other[-1]))


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("info", ["lean", "full"])
@pytest.mark.parametrize("sets_following", [False, True])
@pytest.mark.parametrize("task", TASKS, ids=str)
def test_a_lazy_rule_is_the_rule_bit_for_bit(
    lazy_rule: Any, task: Any, sets_following: bool, info: str, mode: Any
) -> None:
    parent = lazy_rule(task, sets_following=sets_following, whole=info == "full")
    lazy = SymbolicVectorEnv(task, 7, parent=parent, info=info, autoreset_mode=mode)
    plain = SymbolicVectorEnv(task, 7, info=info, autoreset_mode=mode)
    np.testing.assert_equal(lazy.reset(seed=SEED), plain.reset(seed=SEED))
    for actions in actions_for(lazy):
        stepped = plain.step(actions)
        assert_equal_steps(lazy.step(actions), stepped)
        if mode is AutoresetMode.DISABLED and stepped[2].any():
            np.testing.assert_equal(lazy.reset(), plain.reset())
    assert len(set(parent.asked)) == len(parent.asked), "no pair is asked about twice"
    assert parent.n_calls <= 40


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_a_single_env_equals_the_row_of_a_vector_env(lazy_rule: Any, task: Any) -> None:
    single = SymbolicEnv(task, parent=lazy_rule(task))
    vector = SymbolicVectorEnv(task, 1, parent=lazy_rule(task), autoreset_mode="disabled")
    rng = np.random.default_rng(1)
    obs, _ = single.reset(seed=SEED)
    np.testing.assert_array_equal(obs, vector.reset(seed=SEED)[0][0])
    for _ in range(600):
        action = int(rng.integers(task.n_actions))
        obs, reward, terminated, truncated, info = single.step(action)
        rows, rewards, terminations, truncations, infos = vector.step(np.array([action]))
        np.testing.assert_array_equal(obs, rows[0])
        assert (reward, terminated, truncated) == (rewards[0], terminations[0], truncations[0])
        assert info == {key: value[0] for key, value in infos.items() if not key.startswith("_")}
        if terminated:
            np.testing.assert_array_equal(single.reset()[0], vector.reset()[0][0])


def test_once_full_the_single_env_runs_ahead_again(lazy_rule: Any) -> None:
    task = PatternEcho(n_symbols=4)
    env = SymbolicEnv(task, parent=lazy_rule(task, whole=True))
    env.reset(seed=0)
    assert not env._runs_ahead
    for instance in range(4):
        env.reset(options={"instance": instance})
        env.step(0)
    env.reset()
    assert env._is_ahead
    assert env.step(0)[-1].keys() == {"success"}


def test_once_full_the_world_is_a_rule_parents_world(lazy_rule: Any) -> None:
    task = PatternEcho(horizon=2, dynamics="respond")
    parent = lazy_rule(task, sets_following=True)
    env, rule = SymbolicVectorEnv(task, 64, parent=parent), SymbolicVectorEnv(task, 64)
    env.reset(seed=0)
    assert env.world.has_gaps
    for actions in actions_for(env, 30):
        env.step(actions)
    assert len(parent.asked) == 64
    world, plain = env.world, rule.world
    assert not world.has_gaps
    assert world.scores_are_truth
    assert world.bank.known is None
    for name in ("scores", "right", "says_right", "following", "outcomes", "starts"):
        np.testing.assert_array_equal(getattr(world, name), getattr(plain, name))
    assert world.observation.bank is world.bank
    assert str(world.oracle()) == str(plain.oracle())
    assert "parent_source" not in env.step(actions)[-1]


def test_the_unknown_pairs_of_a_step_are_asked_about_together_each_once(lazy_rule: Any) -> None:
    task = PatternEcho()
    parent = lazy_rule(task)
    env = SymbolicVectorEnv(task, 5, parent=parent)
    env.reset(seed=0, options={"instance": np.array([3, 1, 3, 1, 3])})
    env.step(np.array([0, 7, 0, 2, 6]))
    assert parent.asked == [((1,), 2), ((1,), 7), ((3,), 0), ((3,), 6)], "sorted, without duplicates"
    assert parent.n_calls == 1
    env.reset(options={"instance": 3})
    env.step(np.array([0, 6, 0, 6, 0]))
    assert parent.n_calls == 1, "what is known is not asked about"


def test_all_actions_of_an_instance_are_asked_about_together_where_that_pays(lazy_rule: Any) -> None:
    task = PatternEcho()
    parent = lazy_rule(task, whole=True)
    env = SymbolicVectorEnv(task, 2, parent=parent)
    env.reset(seed=0, options={"instance": np.array([3, 3])})
    env.step(np.array([0, 1]))
    assert parent.asked == [((3,), action) for action in range(8)]


def test_action_scores_ask_about_all_actions(lazy_rule: Any) -> None:
    task = PatternEcho()
    parent = lazy_rule(task)
    env = SymbolicVectorEnv(task, 3, parent=parent, reveals_all_actions=True)
    obs, _ = env.reset(seed=0)
    np.testing.assert_array_equal(env.action_scores(), np.eye(8)[obs[:, 0]])
    assert len(parent.asked) == 8 * len(set(obs[:, 0].tolist()))
    single = SymbolicEnv(task, parent=lazy_rule(task), reveals_all_actions=True)
    obs, _ = single.reset(seed=0)
    np.testing.assert_array_equal(single.action_scores(), np.eye(8)[obs[0]])


def test_a_noisy_parent_over_a_lazy_one_is_lazy_too(lazy_rule: Any) -> None:
    task = PatternEcho(horizon=2)
    lazy = SymbolicVectorEnv(task, 9, parent=NoisyParent(lazy_rule(task, sets_following=True), 0.3))
    plain = SymbolicVectorEnv(task, 9, parent={"kind": "noisy", "flip": 0.3})
    lazy.reset(seed=SEED), plain.reset(seed=SEED)
    for actions in actions_for(lazy):
        assert_equal_steps(lazy.step(actions), plain.step(actions))
    assert isinstance(pickle.loads(pickle.dumps(lazy.parent)), NoisyParent)
    assert copy.deepcopy(lazy.parent).sets_following


def test_the_judges_own_consistency_takes_the_place_of_the_engines(lazy_rule: Any) -> None:
    task = PatternEcho()
    weights = {"info": "full", "reward_weights": (1.0, 0.1, 0.5)}
    env = SymbolicVectorEnv(task, 3, parent=lazy_rule(task, consistency=0.25), **weights)
    env.reset(seed=0)
    for _ in range(3):
        *_, infos = env.step(np.array([0, 1, 2]))
        np.testing.assert_array_equal(infos["vector_reward"][:, 2], 0.25)
    own = SymbolicVectorEnv(task, 3, parent=lazy_rule(task, consistency=np.nan, whole=True), **weights)
    engines = SymbolicVectorEnv(task, 3, **weights)
    own.reset(seed=0), engines.reset(seed=0)
    for actions in actions_for(own):
        assert_equal_steps(own.step(actions), engines.step(actions))


# A fallback.


def test_a_fallback_is_flagged_counts_once_and_is_asked_about_again(lazy_rule: Any) -> None:
    task = PatternEcho()
    parent = lazy_rule(task, fails=lambda states, actions: actions == 2, source=FALLBACK)
    env = SymbolicVectorEnv(task, 2, parent=parent)
    for turn in (1, 2):
        env.reset(seed=0, options={"instance": 2})
        _, rewards, terminations, _, infos = env.step(np.array([2, 3]))
        assert infos["parent_source"].tolist() == ["fallback", "live"]
        assert rewards.tolist() == [0.0, 0.0], "what the fallback says counts, and it says the opposite here"
        assert infos["success"].tolist() == [True, False]
        assert infos["final_obs"][:, 2].tolist() == [1, 1]
        assert terminations.all()
        assert parent.asked.count(((2,), 2)) == turn
    assert parent.asked.count(((2,), 3)) == 1
    assert env.world.verdicts.n_answers.tolist() == [0, 2, 0, 0, 2, 0]
    parent.fails = None
    env.reset(options={"instance": 2})
    _, rewards, *_, infos = env.step(np.array([2, 2]))
    assert rewards.tolist() == [1.0, 1.0]
    assert infos["parent_source"].tolist() == ["live", "live"]


def test_full_infos_always_say_where_a_verdict_comes_from(lazy_rule: Any) -> None:
    task = PatternEcho(n_symbols=2)
    for parent, word in ((None, "rule"), (lazy_rule(task), "live")):
        env = SymbolicVectorEnv(task, 8, parent=parent, info="full")
        env.reset(seed=0)
        for actions in actions_for(env, 20):
            *_, infos = env.step(actions)
            assert set(infos["parent_source"].tolist()) == {word}
            assert infos["_parent_source"].all()
    assert not env.world.has_gaps


def test_the_regret_is_told_where_it_is_known(lazy_rule: Any) -> None:
    task = PatternEcho(n_symbols=2)
    env = SymbolicEnv(task, parent=lazy_rule(task), info="full")
    env.reset(seed=0, options={"instance": 0})
    assert "regret" not in env.step(1)[-1]
    env.reset(options={"instance": 0})
    assert env.step(0)[-1]["regret"] == 0.0
    env.reset(options={"instance": 0})
    assert env.step(1)[-1]["regret"] == 1.0


# Nobody's verdict.


def fails_on(*cells: tuple[int, int]) -> Any:
    return lambda states, actions: np.array(
        [(state, action) in cells for state, action in zip(states[:, 0].tolist(), actions.tolist(), strict=True)],
        dtype=np.bool_,
    )


def masked(lazy_rule: Any, n: int, horizon: int, mode: Any = "same_step", **arguments: Any) -> SymbolicVectorEnv:
    task = PatternEcho(horizon=horizon, dynamics="permute")
    parent = lazy_rule(task, fails=fails_on((1, 0), (2, 2), (5, 3)), sets_following=arguments.pop("follows", False))
    env = SymbolicVectorEnv(task, n, parent=parent, autoreset_mode=mode, **arguments)
    env.accept_unjudged()
    return env


def test_an_env_whose_answers_may_be_unjudged_begins_only_for_who_leaves_them_out(lazy_rule: Any) -> None:
    task = PatternEcho()
    parent = lazy_rule(task, fails=fails_on((1, 1)))
    for env in (SymbolicEnv(task, parent=parent), SymbolicVectorEnv(task, 2, parent=parent)):
        with pytest.raises(RuntimeError, match="REINFORCE and attach"):
            env.reset(seed=0)
        assert not parent.asked
        env.accept_unjudged()
        env.reset(seed=0)
    with pytest.raises(ValueError, match="reveals_all_actions needs a score for every action"):
        SymbolicEnv(task, parent=parent, reveals_all_actions=True)


@pytest.mark.parametrize("info", ["lean", "full"])
def test_an_unjudged_answer_cuts_a_one_step_episode(lazy_rule: Any, info: str) -> None:
    env = masked(lazy_rule, 3, 1, info=info, reward_weights=(1.0, 0.1, 0.5))
    env.reset(seed=0, options={"instance": np.array([1, 2, 2])})
    obs, rewards, terminations, truncations, infos = env.step(np.array([0, 2, 3]))
    assert terminations.tolist() == [False, False, True]
    assert truncations.tolist() == [True, True, False]
    assert rewards.tolist() == [0.0, 0.0, 0.0]
    assert infos["parent_source"].tolist() == ["unjudged", "unjudged", "live"]
    assert infos["success"].tolist() == [False, True, False], "by the rule"
    assert infos["final_obs"][:, 1:].tolist() == [[1, 0], [3, 0], [4, 1]], "no feedback"
    assert infos["_final_obs"].all()
    assert type(env._engine.episode) is int, "all envs have ended, so they stay in step"
    if info == "full":
        assert not infos["vector_reward"].any()
    assert not obs[:, 1:].any()


@pytest.mark.parametrize("follows", [False, True])
@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_cut_env_begins_anew_while_the_others_go_on_each_like_a_single_one(
    lazy_rule: Any, mode: Any, follows: bool
) -> None:
    n, n_steps = 6, 60
    env = masked(lazy_rule, n, 3, mode, follows=follows, info="full")
    stepped = [env.reset(seed=SEED)]
    rng = np.random.default_rng(3)
    script = rng.integers(8, size=(n_steps, n))
    dones = []
    for actions in script:
        stepped.append(env.step(actions))
        done = stepped[-1][2] | stepped[-1][3]
        assert not (stepped[-1][2] & stepped[-1][3]).any()
        dones.append(done)
        if mode is AutoresetMode.DISABLED and done.any():
            obs, infos = env.reset(options={"reset_mask": done})
            stepped.append((obs, infos, done))
    truncations = sum(step[3].sum() for step in stepped if len(step) == 5)
    assert truncations >= 5
    for i in range(n):
        parent = lazy_rule(env.task, fails=fails_on((1, 0), (2, 2), (5, 3)), sets_following=follows)
        single = SymbolicEnv(env.task, parent=parent, info="full")
        single.accept_unjudged()
        obs, _ = single.reset(seed=SEED + i)
        batches = iter(stepped[1:])
        resets = False
        for actions in script:
            rows, rewards, terminations, truncations, infos = next(batches)
            if resets and mode is AutoresetMode.NEXT_STEP:
                obs, info = single.reset()
                np.testing.assert_array_equal(rows[i], obs)
                assert (rewards[i], terminations[i], truncations[i]) == (0.0, False, False)
                assert row_of(infos, i) == info
                resets = False
                continue
            obs, reward, terminated, truncated, info = single.step(int(actions[i]))
            assert (rewards[i], terminations[i], truncations[i]) == (reward, terminated, truncated)
            known = {key: value for key, value in row_of(infos, i).items() if key not in ("final_obs", "regret")}
            info.pop("regret", None)  # the other envs have had more of it judged
            np.testing.assert_equal(known, info)
            ends = terminated or truncated
            if mode is AutoresetMode.SAME_STEP and ends:
                np.testing.assert_array_equal(infos["final_obs"][i], obs)
                obs, _ = single.reset()
            elif mode is AutoresetMode.DISABLED:
                if (terminations | truncations).any():
                    np.testing.assert_array_equal(rows[i], obs)
                    rows, _, done = next(batches)
                    if done[i]:
                        obs, _ = single.reset()
            elif ends:
                resets = True
            np.testing.assert_array_equal(rows[i], obs)


def row_of(infos: dict, i: int) -> dict:
    rows = {key: value[i] for key, value in infos.items() if not key.startswith("_") and infos[f"_{key}"][i]}
    return {key: value.item() if np.ndim(value) == 0 else value for key, value in rows.items()}


def test_a_reset_env_is_not_asked_about_nor_remembered(lazy_rule: Any) -> None:
    """In next-step mode the action of an env that begins anew is nobody's answer."""
    env = masked(lazy_rule, 2, 3, "next_step", info="full", reward_weights=(1.0, 0.0, 1.0))
    env.reset(seed=0, options={"instance": np.array([1, 4])})
    env.step(np.array([0, 4]))
    answers, asked = env._engine.last_answers[0].copy(), len(env.parent.asked)
    env.step(np.array([7, 4]))
    np.testing.assert_array_equal(env._engine.last_answers[0], answers)
    assert len(env.parent.asked) <= asked + 1
    assert env.world.verdicts.n_answers.sum() == 3


def test_a_parent_that_does_not_announce_missing_verdicts_is_refused(lazy_rule: Any) -> None:
    task = PatternEcho()
    parent = lazy_rule(task, fails=fails_on((1, 1)))
    parent.may_leave_unjudged = False
    env = SymbolicVectorEnv(task, 1, parent=parent)
    env.reset(seed=0, options={"instance": 1})
    with pytest.raises(ValueError, match="may_leave_unjudged does not announce"):
        env.step(np.array([1]))


def test_a_failed_question_leaves_the_env_where_it_was(lazy_rule: Any) -> None:
    class Broken(lazy_rule):
        def verdicts(self, states: Any, actions: Any) -> Any:
            if self.n_calls == 0:
                self.n_calls += 1
                raise ConnectionError("not now")
            return super().verdicts(states, actions)

    task = PatternEcho(horizon=2)
    env, plain = SymbolicVectorEnv(task, 4, parent=Broken(task)), SymbolicVectorEnv(task, 4)
    env.reset(seed=0), plain.reset(seed=0)
    actions = np.array([0, 1, 2, 3])
    with pytest.raises(ConnectionError):
        env.step(actions)
    assert_equal_steps(env.step(actions), plain.step(actions))


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        (Verdicts(np.array([2.0]), np.array([LIVE], np.uint8)), "a number from 0 to 1"),
        (Verdicts(np.array([np.nan]), np.array([LIVE], np.uint8)), "a number from 0 to 1"),
        (Verdicts(np.array([1.0, 1.0]), np.array([LIVE], np.uint8)), "asked for 1 verdicts, and gave 2"),
        (Verdicts(np.array([1.0]), np.array([9], np.uint8)), "must be a place in"),
        (Verdicts(np.array([1.0]), np.array([LIVE], np.uint8)), "lack following"),
        (
            Verdicts(np.array([1.0]), np.array([LIVE], np.uint8), None, np.array([[70]], np.int32)),
            "which is no instance",
        ),
    ],
    ids=["above", "nan", "shape", "source", "following", "stranger"],
)
def test_verdicts_that_cannot_be_are_refused(lazy_rule: Any, verdicts: Verdicts, sentence: str) -> None:
    class Odd(lazy_rule):
        def verdicts(self, states: Any, actions: Any) -> Verdicts:
            return verdicts

    task = PatternEcho(horizon=2)
    env = SymbolicVectorEnv(task, 1, parent=Odd(task, sets_following="following" in sentence or "no inst" in sentence))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=sentence):
        env.step(np.array([0]))


# Floors, ceilings and values while something is unknown.


def test_what_depends_on_verdicts_is_unavailable_until_they_are_there(lazy_rule: Any) -> None:
    task = PatternEcho(n_symbols=4)
    env = SymbolicVectorEnv(task, 1, parent=lazy_rule(task, whole=True))
    env.reset(seed=0, options={"instance": 2})
    env.step(np.array([0]))
    oracle = env.oracle
    missing = Unavailable("the parent has judged 4 of 16 pairs of instance and action")
    assert oracle.optimal_return == oracle.random_return == oracle.memoryless_return == missing
    assert oracle.world_model_floor["feedback"] == missing
    assert oracle.world_model_floor["symbol"] == Exact(0.0)
    assert oracle.random_success == Exact(0.25)
    assert "nan" not in str(oracle).lower()
    assert "NaN" not in json.dumps(oracle.to_dict())
    value = policy_value(env.world.observation, lambda rows: np.full((len(rows), 4), 0.25), 1)
    assert value.success == 0.25
    assert value.episode_return is None
    assert table_value(env.bank, np.eye(4), 1).success == 1.0
    assert table_value(env.bank, np.eye(4), 1).episode_return is None
    for instance in range(4):
        env.reset(options={"instance": instance})
        env.step(np.array([0]))
    assert env.oracle.optimal_return == Exact(1.0)
    assert policy_value(env.world.observation, lambda rows: np.full((len(rows), 4), 0.25), 1).episode_return == 0.25


def test_a_level_is_known_when_its_own_pairs_are(lazy_rule: Any) -> None:
    task = PatternEcho(n_symbols=4, horizon=2)
    env = SymbolicVectorEnv(task, 1, parent=lazy_rule(task, whole=True, sets_following=True), level=0)
    env.reset(seed=0)
    assert isinstance(env.oracle.world_model_floor["symbol"], Unavailable)
    with pytest.raises(ValueError, match="has judged 0 of 8"):
        policy_value(env.world.observation, lambda rows: np.full((len(rows), 4), 0.25), 0)
    for instance in range(2):
        env.reset(options={"instance": instance})
        env.step(np.array([0]))
    assert env.oracle.optimal_return == Exact(2.0)
    assert isinstance(env.world.oracle(1).optimal_return, Unavailable)


def test_evaluating_asks_nothing(lazy_rule: Any) -> None:
    task = PatternEcho()
    parent = lazy_rule(task)
    env = SymbolicVectorEnv(task, 1, parent=parent)
    str(env.oracle)
    policy_value(env.world.observation, lambda rows: np.full((len(rows), 8), 1 / 8), 1)
    assert not parent.asked


# State.


def test_a_state_holds_what_was_said_so_that_nothing_is_asked_again(lazy_rule: Any) -> None:
    task = PatternEcho(horizon=3, dynamics="respond")
    first = SymbolicVectorEnv(task, 6, parent=lazy_rule(task, sets_following=True))
    first.reset(seed=0)
    script = list(actions_for(first, 60))
    for actions in script[:20]:
        first.step(actions)
    state = first.state_dict()
    parent = lazy_rule(task, sets_following=True)
    second = SymbolicVectorEnv(task, 6, parent=parent)
    second.load_state_dict(state)
    for actions in script[20:]:
        np.testing.assert_equal(second.step(actions), first.step(actions))
    assert not set(parent.asked) & set(first.parent.asked[: int(state["verdicts"]["known"].sum())])
    assert second.world.verdicts.n_answers.tolist() == first.world.verdicts.n_answers.tolist()
    single = SymbolicEnv(task, parent=lazy_rule(task, sets_following=True))
    single.reset(seed=0)
    single.step(3)
    copied = SymbolicEnv(task, parent=lazy_rule(task, sets_following=True))
    copied.load_state_dict(single.state_dict())
    assert_equal_steps(copied.step(4), single.step(4))


def test_a_state_of_cut_envs_is_restored(lazy_rule: Any) -> None:
    for mode in ("same_step", "next_step"):
        env, other = (masked(lazy_rule, 4, 3, mode, info="full") for _ in range(2))
        env.reset(seed=0)
        script = list(actions_for(env, 60))
        while env._engine.cut is None and type(env._engine.episode) is int:
            env.step(script.pop())
        other.load_state_dict(env.state_dict())
        for actions in script:
            np.testing.assert_equal(other.step(actions), env.step(actions))


def test_a_state_of_other_instances_is_refused(lazy_rule: Any) -> None:
    class Fewer(lazy_rule):
        def instances(self, level: int) -> Any:
            return super().instances(level)[:3]

    task = PatternEcho()
    env, other = SymbolicVectorEnv(task, 1, parent=lazy_rule(task)), SymbolicVectorEnv(task, 1, parent=Fewer(task))
    env.reset(seed=0), other.reset(seed=0)
    with pytest.raises(ValueError, match="of other instances than this parent has set"):
        other.load_state_dict(env.state_dict())


# The rest.


def test_a_lazy_parent_travels_to_other_processes(lazy_rule: Any) -> None:
    task = PatternEcho(n_symbols=4)
    env = pickle.loads(pickle.dumps(SymbolicVectorEnv(task, 4, parent=lazy_rule(task))))
    env.reset(seed=0)
    env.step(np.zeros(4, dtype=np.int64))
    assert env.parent.asked
    made = gym.make("WMIL/PatternEcho-v0", n_symbols=4, parent=lazy_rule(task))
    made.reset(seed=0)
    made.step(0)


def test_a_lazily_compiled_bank_knows_nothing_yet(lazy_rule: Any) -> None:
    task = PatternEcho(horizon=2, dynamics="permute")
    bank = compile_bank(task, lazy_rule(task, sets_following=True), lazily=True)
    assert not bank.known.any()
    assert bank.gap(0) == "the parent has judged 0 of 32 pairs of instance and action"
    assert bank.gap(1) == "the parent has judged 0 of 64 pairs of instance and action"
    known = compile_bank(task, RuleParent(task))
    assert known.gap(0) is None
    assert known.is_known(1)
