from __future__ import annotations

import itertools

import gymnasium as gym
import numpy as np
import pytest

from wmil_envs.attribute import Attribute
from wmil_envs.bank import Bank
from wmil_envs.oracle import Estimated, Exact, Unavailable, compute_oracle, plain_quantity
from wmil_envs.outcomes import outcome_probabilities, prediction_error, prediction_floors, skill

WORLDS = [
    {},
    {"horizon": 2, "dynamics": "same"},
    {"horizon": 3, "dynamics": "fresh"},
    {"horizon": 3, "dynamics": "permute", "alphabet": 2},
    {"horizon": 2, "dynamics": "respond", "parent": {"kind": "noisy", "flip": 0.2}},
    {"parent": {"kind": "noisy", "flip": 0.4}},
]


def random_bank(horizon: int, hidden: bool, k: int = 2, seed: int = 0) -> Bank:
    """3 instances, 2 actions, k successors, fractional scores: small enough to enumerate every policy."""
    rng = np.random.default_rng(seed)
    instances = np.array([[0, 0], [1, 0], [1, 1]], dtype=np.int32)
    probabilities = rng.dirichlet(np.ones(k), size=(3, 2))
    return Bank(
        attributes=(Attribute("look", 2), Attribute("secret", 2, hidden=hidden)),
        instances=instances,
        levels=(np.arange(3), np.array([0, 1, 1])),
        correct=np.array([0, 1, 0]),
        scores=rng.random((3, 2)),
        flip=0.1,
        successors=rng.integers(3, size=(3, 2, k)),
        successor_probabilities=probabilities,
        horizon=horizon,
    )


def value_of(bank: Bank, level: int, rules: tuple) -> float:
    """Return of the deterministic policy rules[step][instance], by following every path."""

    def onwards(instance: int, step: int) -> float:
        if step == bank.horizon:
            return 0.0
        action = rules[step][instance]
        score = bank.scores[instance, action]
        reward = score * (1 - bank.flip) + (1 - score) * bank.flip
        branches = zip(bank.successors[instance, action], bank.successor_probabilities[instance, action], strict=True)
        return reward + sum(p * onwards(following, step + 1) for following, p in branches)

    return float(np.mean([onwards(instance, 0) for instance in bank.levels[level]]))


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_optimal_and_random_return_equal_brute_force_over_all_policies(horizon: int, level: int) -> None:
    bank = random_bank(horizon, hidden=False)
    one_step = list(itertools.product(range(2), repeat=3))
    returns = [value_of(bank, level, rules) for rules in itertools.product(one_step, repeat=horizon)]
    oracle = compute_oracle(bank, level)
    assert float(oracle.optimal_return) == pytest.approx(max(returns), abs=1e-12)
    assert float(oracle.random_return) == pytest.approx(np.mean(returns), abs=1e-12)
    assert float(oracle.memoryless_return) == pytest.approx(float(oracle.optimal_return), abs=1e-12)
    optimal = value_of(bank, level, tuple(map(tuple, oracle.optimal_actions)))
    assert optimal == pytest.approx(max(returns), abs=1e-12)


@pytest.mark.parametrize("level", [0, 1])
def test_the_memoryless_return_equals_brute_force_where_something_is_hidden(level: int) -> None:
    bank = random_bank(1, hidden=True)
    returns = [value_of(bank, level, ((a, b, b),)) for a, b in itertools.product(range(2), repeat=2)]
    oracle = compute_oracle(bank, level)
    assert float(oracle.memoryless_return) == pytest.approx(max(returns), abs=1e-12)
    assert isinstance(compute_oracle(random_bank(2, hidden=True), level).memoryless_return, Unavailable)


def test_hiding_the_steps_left_is_said_where_it_matters() -> None:
    bank = random_bank(3, hidden=False, seed=5)
    best = max(value_of(bank, 0, (rule,) * 3) for rule in itertools.product(range(2), repeat=3))
    oracle = compute_oracle(bank, 0, time_aware=False)
    assert best < float(oracle.optimal_return) - 1e-6, "this bank was chosen because its best rule depends on time"
    assert isinstance(oracle.memoryless_return, Unavailable)
    with pytest.raises(ValueError, match="not available: the optimal policy depends on the steps left"):
        float(oracle.memoryless_return)


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_simulated_returns_agree_with_the_oracle(env_id: str, world: dict) -> None:
    n = 2000
    env = gym.make_vec(env_id, num_envs=n, info="full", **world)
    bank, oracle, horizon = env.unwrapped.bank, env.unwrapped.oracle, env.unwrapped.horizon
    rng = np.random.default_rng(0)
    for name, expected in (("random", oracle.random_return), ("optimal", oracle.optimal_return)):
        returns = np.zeros(n)
        env.reset(seed=5)
        for step in range(horizon):
            instances = env.unwrapped.state_dict()["base"] // bank.n_actions
            actions = (
                rng.integers(bank.n_actions, size=n) if name == "random" else oracle.optimal_actions[step, instances]
            )
            _, rewards, *_ = env.step(actions)
            returns += rewards
        error = returns.std() / n**0.5
        assert abs(returns.mean() - float(expected)) <= 4 * error + 1e-12, name


def test_every_optimal_return_of_a_rule_parent_is_the_horizon(env_id: str) -> None:
    world = gym.make(env_id, horizon=3, dynamics="respond").unwrapped.world
    for level in range(len(world.task.levels)):
        oracle = world.oracle(level)
        assert oracle.optimal_return == Exact(3.0)
        assert float(oracle.random_return) == pytest.approx(3 / world.n_actions)
        assert float(oracle.random_success) == pytest.approx(1 / world.n_actions)
        assert oracle.regret(1.0) == 2.0


def test_half_of_the_hidden_rule_questions_can_be_answered_without_memory() -> None:
    oracle = gym.make("WMIL/SequenceNext-v0", level=5).unwrapped.oracle
    assert float(oracle.memoryless_return) == pytest.approx(0.5)
    assert float(oracle.optimal_return) == 1.0


def test_a_fresh_symbol_has_the_known_irreducible_error() -> None:
    oracle = gym.make("WMIL/PatternEcho-v0", dynamics="fresh").unwrapped.oracle
    assert float(oracle.world_model_floor["symbol"]) == pytest.approx(7 / 64)
    assert not oracle.is_predictable("symbol")
    assert oracle.is_predictable("feedback")
    attributes = {a.name: a for a in gym.make("WMIL/PatternEcho-v0", dynamics="fresh").unwrapped.attributes}
    assert not attributes["symbol"].predictable
    assert attributes["feedback"].predictable


def test_the_floor_of_a_noisy_verdict_is_its_variance() -> None:
    oracle = gym.make("WMIL/PatternEcho-v0", parent={"kind": "noisy", "flip": 0.25}).unwrapped.oracle
    assert float(oracle.world_model_floor["feedback"]) == pytest.approx(2 * 0.25 * 0.75 / 3)
    assert float(oracle.world_model_floor["symbol"]) == 0.0


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_world_model_floors_equal_a_count_over_simulated_outcomes(world: dict) -> None:
    n = 4000
    env = gym.make_vec("WMIL/PatternEcho-v0", num_envs=n, info="full", autoreset_mode="disabled", n_symbols=4, **world)
    outcomes = outcome_probabilities(env.unwrapped.bank, env.unwrapped.world.level)
    rng = np.random.default_rng(1)
    observed: dict[tuple, list[np.ndarray]] = {}
    for _ in range(10):
        _, infos = env.reset()
        actions = rng.integers(4, size=n)
        following, *_ = env.step(actions)
        for cell, obs in zip(zip(infos["instance"], actions, strict=True), following, strict=True):
            observed.setdefault(tuple(map(int, cell)), []).append(obs)
    names = [attribute.name for attribute in env.unwrapped.attributes]
    for index, cell in enumerate(zip(outcomes.instances, outcomes.actions, strict=True)):
        rows = np.stack(observed[tuple(map(int, cell))])
        for name, target in outcomes.probabilities.items():
            counts = np.bincount(rows[:, names.index(name)], minlength=target.shape[1]) / len(rows)
            sigma = np.sqrt(target[index] * (1 - target[index]) / len(rows))
            assert (np.abs(counts - target[index]) <= 5 * sigma + 1e-12).all()


def test_floors_lie_between_perfection_and_the_mean_predictor(env_id: str) -> None:
    world = gym.make(env_id, parent={"kind": "noisy", "flip": 0.1}).unwrapped.world
    for level in range(len(world.task.levels)):
        floors, mean_errors = prediction_floors(outcome_probabilities(world.bank, level))
        assert all(0.0 <= floors[name] <= mean_errors[name] + 1e-12 for name in floors)


def test_a_perfect_prediction_reaches_the_floor_and_skill_one() -> None:
    world = gym.make("WMIL/Conditional-v0", parent={"kind": "noisy", "flip": 0.2}).unwrapped.world
    outcomes = outcome_probabilities(world.bank, 2)
    floors, mean_errors = prediction_floors(outcomes)
    for name, target in outcomes.probabilities.items():
        error = prediction_error(target, target)
        assert error == pytest.approx(floors[name])
        if world.oracle(2).is_predictable(name):
            assert skill(error, floors[name], mean_errors[name]) == pytest.approx(1.0)
            assert skill(mean_errors[name], floors[name], mean_errors[name]) == pytest.approx(0.0)
    assert skill(0.1, 0.1, 0.1) is None


def test_the_steps_left_can_be_foreseen_where_they_are_shown(env_id: str) -> None:
    for time_aware in (True, False):
        env = gym.make(env_id, horizon=3, time_aware=time_aware).unwrapped
        names = [attribute.name for attribute in env.attributes]
        assert list(env.oracle.world_model_floor) == names
        assert ("steps_left" in names) == time_aware
        assert all(float(floor) == 0.0 for floor in env.oracle.world_model_floor.values())


def test_figures_are_numbers_that_know_where_they_come_from() -> None:
    import pickle

    exact, estimated = Exact(0.125), Estimated(0.5, 100, (0.4, 0.6))
    assert exact < 0.2 < estimated
    assert f"{exact:.2f} {estimated * 2:.1f}" == "0.12 1.0"
    assert (str(exact), str(estimated)) == ("0.125", "0.5 [0.4, 0.6] (n=100)")
    for figure in (exact, estimated):
        again = pickle.loads(pickle.dumps(figure))
        assert (type(again), repr(again)) == (type(figure), repr(figure))
    assert plain_quantity(estimated) == {"kind": "estimated", "value": 0.5, "n": 100, "interval": [0.4, 0.6]}


def test_an_oracle_can_be_read() -> None:
    text = str(gym.make("WMIL/PatternEcho-v0").unwrapped.oracle)
    assert "random 0.125" in text
    assert "feedback: floor 0" in text


def test_an_oracle_is_plain_data() -> None:
    import json

    oracle = gym.make("WMIL/SequenceNext-v0", horizon=2, level=5).unwrapped.oracle
    plain = json.loads(json.dumps(oracle.to_dict()))
    assert plain["optimal_return"] == {"kind": "exact", "value": 2.0}
    assert plain["memoryless_return"]["kind"] == "unavailable"
    assert "not available" in str(oracle.memoryless_return)
