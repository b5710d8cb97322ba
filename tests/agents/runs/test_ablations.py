from pathlib import Path

import numpy as np
import pytest
import torch

from wmil_agents.evaluation.policy_table import policy_table
from wmil_agents.reinforce import REINFORCE
from wmil_agents.runs.ablations import ShuffledRewards, make_uniform
from wmil_agents.runs.experiment import build_experiment
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run import Result, run
from wmil_agents.runs.settings_sources import load_settings
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

ID = "wmil_envs:WMIL/PatternEcho-v0"
ROWS = np.array([[symbol, 0, 0] for symbol in range(8)], dtype=np.int32)


def run_ablation(ablation: str, folder: Path, n_steps: int) -> Result:
    overrides = [f"ablation={ablation}", f"total_steps={n_steps}", "evaluation.interval=400"]
    return run(load_settings("mvp", overrides), folder)


def passed(result: Result) -> list[bool | None]:
    return [criterion.passed for criterion in result.verdict.criteria]


def test_nobody_gets_the_reward_of_its_own_answer() -> None:
    plain, shuffled = (make_batch_vec_env(ID, num_envs=4, seed=0) for _ in range(2))
    wrapped = ShuffledRewards(shuffled, seed=0)
    plain.reset()
    wrapped.reset()
    rng = np.random.default_rng(0)
    own, given = [], []
    for _ in range(2_000):
        actions = rng.integers(8, size=4)
        own.append(plain.step(actions)[1])
        given.append(wrapped.step(actions)[1])
    own_rewards, given_rewards = np.array(own), np.array(given)
    np.testing.assert_array_equal(np.sort(own_rewards, axis=1), np.sort(given_rewards, axis=1))
    correlation = np.corrcoef(own_rewards.ravel(), given_rewards.ravel())[0, 1]
    assert abs(correlation) < 4 / np.sqrt(own_rewards.size)


def test_one_environment_has_nobody_to_swap_with() -> None:
    with pytest.raises(ValueError, match="n_envs must be at least 2"):
        ShuffledRewards(make_batch_vec_env(ID, num_envs=1), seed=0)


def test_a_uniform_policy_stays_uniform() -> None:
    model = REINFORCE("TransformerPolicy", make_batch_vec_env(ID, num_envs=8), seed=0)
    make_uniform(model.policy)
    features_before = model.policy.extract_features(torch.as_tensor(ROWS)).detach()
    model.learn(80)
    np.testing.assert_allclose(policy_table(model, ROWS), 1 / 8)
    assert torch.equal(model.policy.extract_features(torch.as_tensor(ROWS)), features_before)


def test_the_whole_learns_and_without_a_world_model_only_the_fourth_fails(tmp_path: Path) -> None:
    result = run_ablation("no_world_model", tmp_path / "run", 800)
    assert passed(result) == [True, True, True, False]
    assert "no world model is trained" in result.verdict.criteria[3].note


def test_a_random_policy_fails_the_first_three(tmp_path: Path) -> None:
    result = run_ablation("random_policy", tmp_path / "run", 400)
    assert passed(result)[:3] == [False, False, False]
    assert float(result.evaluation.success) == pytest.approx(0.125)


def test_shuffled_rewards_fail_the_first_three(tmp_path: Path) -> None:
    result = run_ablation("shuffled_rewards", tmp_path / "run", 800)
    assert passed(result)[:3] == [False, False, False]
    assert float(result.evaluation.entropy) < float(result.history[0].evaluation.entropy)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ablation", "expected"),
    [
        ("none", [True, True, True, True]),
        ("random_policy", [False, False, False, True]),
        ("shuffled_rewards", [False, False, False, True]),
        ("no_baseline", [True, True, True]),
        ("no_world_model", [True, True, True, False]),
    ],
)
def test_the_locked_experiment_at_full_length(ablation: str, expected: list[bool], tmp_path: Path) -> None:
    assert passed(run_ablation(ablation, tmp_path / "run", 10_000))[: len(expected)] == expected


def test_rewards_are_not_shuffled_for_who_learns_from_none() -> None:
    overrides = ["ablation=shuffled_rewards", "learner.arguments.all_actions=true"]
    with pytest.raises(InputError, match="takes nothing from all_actions"):
        build_experiment(load_settings("mvp", overrides))
