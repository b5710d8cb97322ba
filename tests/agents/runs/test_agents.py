from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from wmil_agents.cli.main import app
from wmil_agents.evaluation.policy_table import policy_table
from wmil_agents.runs.agents import WithheldRewards
from wmil_agents.runs.experiment import build_experiment
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.privilege import privilege
from wmil_agents.runs.run import run
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env

ROWS = np.array([[symbol, 0, 0] for symbol in range(8)], dtype=np.int32)
PPO = ["learner.algorithm=PPO", "learner.arguments={n_steps: 8, batch_size: 64, learning_rate: 0.01, gamma: 0.0}"]
LEARNERS: dict[str, list[str]] = {
    "REINFORCE": [],
    "event replay": ["learner.arguments={event_replay: true, ent_coef: 0.1}"],
    "A2C": ["learner.algorithm=A2C", "learner.arguments={n_steps: 8, learning_rate: 0.01, ent_coef: 0.1}"],
    "PPO": PPO,
}


def settings(agent: str, *overrides: str) -> Settings:
    return load_settings(
        "mvp", [f"agent={agent}", "total_steps=400", "evaluation.interval=200", "policy.width=32", *overrides]
    )


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_random_agent_answers_alike_before_and_after(learner: str, tmp_path: Path) -> None:
    result = run(settings("random", *LEARNERS[learner]), tmp_path / "run")
    assert [float(step.evaluation.success) for step in result.history] == pytest.approx([1 / 8] * len(result.history))
    assert [float(step.evaluation.entropy) for step in result.history] == pytest.approx(
        [np.log(8)] * len(result.history)
    )


def test_rl_only_is_the_learner_without_a_world_model_bit_for_bit() -> None:
    states = []
    for agent, overrides in (("rl_only", []), ("learner", ["ablation=no_world_model"]), ("learner", [])):
        experiment = build_experiment(settings(agent, *overrides))
        experiment.model.learn(200)
        states.append(experiment.model.policy.state_dict())
        experiment.close()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_taught_agent_learns_without_rewards_whatever_the_algorithm(learner: str) -> None:
    experiment = build_experiment(settings("kl_distill", *LEARNERS[learner]))
    experiment.model.learn(1_200)
    assert policy_table(experiment.model, ROWS).diagonal().min() > 0.5
    assert experiment.model.logger.name_to_value["train/uses_teacher"] == 1
    experiment.close()


@pytest.mark.parametrize("learner", LEARNERS)
def test_without_its_teacher_a_taught_agent_learns_nothing(learner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = "wmil_agents.auxiliary_losses.teacher.soft_target_divergence"
    monkeypatch.setattr(silent, lambda log_probs, scores, temperature: 0.0 * log_probs.sum())
    experiment = build_experiment(settings("kl_distill", *LEARNERS[learner]))
    before = policy_table(experiment.model, ROWS)
    experiment.model.learn(400)
    np.testing.assert_array_equal(policy_table(experiment.model, ROWS), before)
    experiment.close()


def test_withheld_rewards_are_zero_and_nothing_else_changes() -> None:
    plain, withheld = (make_batch_vec_env("wmil_envs:WMIL/PatternEcho-v0", num_envs=4, seed=0) for _ in range(2))
    wrapped = WithheldRewards(withheld)
    np.testing.assert_array_equal(plain.reset(), wrapped.reset())
    for step in range(20):
        actions = np.full(4, step % 8)
        (obs, rewards, dones, _), (same_obs, none, same_dones, _) = plain.step(actions), wrapped.step(actions)
        np.testing.assert_array_equal(obs, same_obs)
        np.testing.assert_array_equal(dones, same_dones)
        assert not none.any()
        assert none.dtype == rewards.dtype


@pytest.mark.parametrize(
    ("overrides", "mark"),
    [
        ([], ""),
        (["agent=random"], ""),
        (["agent=rl_only"], ""),
        (["agent=kl_distill"], "uses a teacher"),
        (["env.arguments.reveals_all_actions=true"], "told the score of every action"),
        (["learner.arguments.all_actions=true"], "told the score of every action"),
        (["learner.arguments.all_actions=false"], ""),
    ],
)
def test_who_is_told_more_than_rewards_is_marked(overrides: list[str], mark: str) -> None:
    assert privilege(load_settings("mvp", overrides)) == mark


def test_the_mark_stands_wherever_the_result_does(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    sets: list[Any] = [word for name in ("agent=kl_distill", "total_steps=80") for word in ("--set", name)]
    told = CliRunner().invoke(app, ["train", "mvp", *sets, "--out", str(folder)])
    heading, _, verdict = " ".join(told.stdout.split()).partition("Verdict")
    assert "agent kl_distill, uses a teacher" in heading
    assert "uses a teacher" in verdict
    assert '"mark": "uses a teacher"' in (folder / "verdict.json").read_text()
    assert "(uses a teacher)" in CliRunner().invoke(app, ["eval", str(folder)]).stdout
    pytest.importorskip("matplotlib")
    assert "run (uses a teacher)" in (folder / "curve.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["agent=random", "ablation=no_baseline"], "set one of agent and ablation"),
        (["agent=kl_distill", "env.id=CartPole-v1", "env.arguments={}"], "has no action_scores"),
        (["agent=kl_distill", "env.arguments.reveals_all_actions=false"], "reveals_all_actions=True"),
        (["agent=robot"], "agent"),
    ],
)
def test_a_baseline_that_cannot_be_is_refused(overrides: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        build_experiment(load_settings("mvp", overrides))
