"""`BatchVecEnv` over our own vector environments: every registered id, several forms."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from wmil_agents.vec_env.batch_vec_env import BatchVecEnv

NAMES = ("PatternEcho", "SequenceNext", "Conditional")
FORMS: list[dict[str, Any]] = [{}, {"horizon": 3}, {"obs": "dict"}, {"obs": "onehot"}, {"horizon": 2, "info": "full"}]
N_ENVS = 4


def assert_same(one: Any, other: Any) -> None:
    if isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in other.keys() - {"t"}:
            assert_same(one[key], other[key])
    else:
        np.testing.assert_array_equal(one, other)


def assert_same_step(one: Any, other: Any) -> None:
    for mine, yours in zip(one[:3], other[:3], strict=True):
        assert_same(mine, yours)
    for mine, yours in zip(one[3], other[3], strict=True):
        assert_same(mine, yours)


def batch(name: str, mode: str = "same_step", **form: Any) -> BatchVecEnv:
    return BatchVecEnv(gym.make_vec(f"wmil_envs:WMIL/{name}-v0", num_envs=N_ENVS, autoreset_mode=mode, **form))


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_both_autoreset_modes_and_dummy_vec_env_tell_the_same(name: str, form: dict[str, Any]) -> None:
    same_step, disabled = batch(name, **form), batch(name, "disabled", **form)
    theirs = DummyVecEnv([lambda: Monitor(gym.make(f"wmil_envs:WMIL/{name}-v0", **form))] * N_ENVS)
    theirs.seed(1)
    first = theirs.reset()
    assert_same(same_step.reset(seed=1), first)
    assert_same(disabled.reset(seed=1), first)
    rng = np.random.default_rng(0)
    n_actions = same_step.action_space.n  # type: ignore[attr-defined]  # Discrete
    for _ in range(8):
        actions = rng.integers(n_actions, size=N_ENVS)
        expected = theirs.step(actions)
        for info in expected[3]:
            if "episode" in info:
                info["is_success"] = info["success"]
        assert_same_step(same_step.step(actions), expected)
        assert_same_step(disabled.step(actions), expected)


def test_the_scores_of_all_actions_are_revealed_only_by_an_env_made_so() -> None:
    native = batch("PatternEcho", reveals_all_actions=True)
    one_by_one = BatchVecEnv(
        gym.make_vec(
            "wmil_envs:WMIL/PatternEcho-v0",
            num_envs=N_ENVS,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": "SameStep"},
            reveals_all_actions=True,
        )
    )
    for env in (native, one_by_one):
        symbols = env.reset(seed=2)[:, 0]  # type: ignore[index]  # rows
        np.testing.assert_array_equal(env.action_scores(), np.eye(8)[symbols])
    silent = batch("PatternEcho")
    silent.reset()
    with pytest.raises(RuntimeError, match="reveals_all_actions"):
        silent.action_scores()


@pytest.mark.parametrize("mode", ["same_step", "disabled"])
@pytest.mark.parametrize("name", NAMES)
def test_the_state_of_another_process_continues_bit_for_bit(name: str, mode: str) -> None:
    one = batch(name, mode, horizon=2)
    one.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(3):
        one.step(rng.integers(8, size=N_ENVS))
    other = batch(name, mode, horizon=2)
    other.load_state_dict(one.state_dict())
    for _ in range(5):
        actions = rng.integers(8, size=N_ENVS)
        assert_same_step(other.step(actions), one.step(actions))
