from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from wmil_envs.exact_value import policy_value, table_value

WORLDS = [
    {},
    {"horizon": 3, "dynamics": "same"},
    {"horizon": 3, "dynamics": "fresh"},
    {"horizon": 2, "dynamics": "permute", "time_aware": False, "alphabet": 1},
    {"horizon": 3, "dynamics": "respond", "parent": {"kind": "noisy", "flip": 0.2}},
]


class RandomPolicy:
    """Random but fixed action probabilities for each observation."""

    def __init__(self, n_actions: int) -> None:
        self.n_actions = n_actions

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        logits = [np.random.default_rng(row.tolist()).normal(size=self.n_actions) * 2.0 for row in rows]
        unnormalised = np.exp(logits)
        return unnormalised / unnormalised.sum(1, keepdims=True)


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_the_exact_value_equals_long_simulation(env_id: str, world: dict) -> None:
    n = 6000
    env = gym.make_vec(env_id, num_envs=n, **world).unwrapped
    policy = RandomPolicy(env.single_action_space.n)
    exact = policy_value(env.world.observation, policy, env.world.level)
    rng = np.random.default_rng(2)
    obs, _ = env.reset(seed=3)
    returns, entropies = np.zeros(n), np.zeros(n)
    for _ in range(env.horizon):
        looks, inverse = np.unique(obs, axis=0, return_inverse=True)
        table = policy(looks)
        probabilities = table[inverse.ravel()]
        entropies -= (probabilities * np.log(probabilities)).sum(1)
        actions = (rng.random((n, 1)) > probabilities.cumsum(1)).sum(1).clip(max=env.single_action_space.n - 1)
        obs, rewards, _, _, infos = env.step(actions)
        returns += rewards
    for simulated, value in (
        (returns, exact.episode_return),
        (infos["success"].astype(float), exact.success),
        (entropies / env.horizon, exact.entropy),
    ):
        assert abs(simulated.mean() - value) <= 4 * simulated.std() / n**0.5 + 1e-9


def test_a_table_has_the_value_of_its_policy(env_id: str) -> None:
    world = gym.make(env_id).unwrapped.world
    policy = RandomPolicy(world.n_actions)
    for level in range(len(world.task.levels)):
        table = policy(world.starts[:, : world.observation.n_columns])
        by_table, by_policy = table_value(world.bank, table, level), policy_value(world.observation, policy, level)
        assert by_table.success == pytest.approx(by_policy.success, abs=1e-12)
        assert by_table.episode_return == pytest.approx(by_policy.episode_return, abs=1e-12)
        assert by_table.entropy == pytest.approx(by_policy.entropy, abs=1e-12)


def test_known_policies_have_known_values() -> None:
    world = gym.make("WMIL/PatternEcho-v0").unwrapped.world
    perfect = table_value(world.bank, np.eye(8), 1)
    assert (perfect.success, perfect.episode_return, perfect.entropy) == (1.0, 1.0, 0.0)
    uniform = table_value(world.bank, np.full((8, 8), 1 / 8), 1)
    assert uniform.success == 1 / 8
    assert uniform.entropy == pytest.approx(np.log(8))


def test_what_is_no_policy_is_refused() -> None:
    world = gym.make("WMIL/PatternEcho-v0").unwrapped.world
    with pytest.raises(ValueError, match=r"must have the shape \(8, 8\)"):
        table_value(world.bank, np.eye(4), 1)
    with pytest.raises(ValueError, match="must return probabilities of shape"):
        policy_value(world.observation, lambda rows: np.ones((1, 8)), 1)
    with pytest.raises(ValueError, match="must sum to 1"):
        policy_value(world.observation, lambda rows: np.ones((len(rows), 8)), 1)
    longer = gym.make("WMIL/PatternEcho-v0", horizon=2).unwrapped.world
    with pytest.raises(ValueError, match="use policy_value"):
        table_value(longer.bank, np.eye(8), 1)


def test_a_world_too_large_for_exactness_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wmil_envs.exact_value.MAX_OBSERVATIONS", 5)
    world = gym.make("WMIL/PatternEcho-v0").unwrapped.world
    with pytest.raises(ValueError, match="estimate it from episodes"):
        policy_value(world.observation, RandomPolicy(8), 1)
