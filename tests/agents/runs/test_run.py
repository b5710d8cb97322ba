import json
import pickle
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
import yaml

from wmil_agents.runs.evaluation_callback import Progress
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.metrics_columns import read_metrics
from wmil_agents.runs.run import run
from wmil_agents.runs.run_folder import load_run
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings
from wmil_envs.oracle import Estimated, Unavailable

SHORT = ["total_steps=160", "evaluation.interval=40", "policy.width=16", "logging.interval=5"]


def short(*overrides: str, preset: str = "mvp") -> Settings:
    return load_settings(preset, [*SHORT, *overrides])


def test_the_folder_holds_everything(tmp_path: Path) -> None:
    settings = short()
    result = run(settings, tmp_path / "run", command=["wmil", "train", "mvp"])
    names = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert names == {
        ".lock",
        "settings.yaml",
        "versions.json",
        "metrics.csv",
        "evaluations.jsonl",
        *(f"checkpoints/step-000000000160/{name}" for name in ("arrays.safetensors", "state.json", "manifest.json")),
        "policy.safetensors",
        "levels.json",
        "verdict.json",
        "DONE.json",
        "train/progress.csv",
    }
    assert Settings.model_validate(yaml.safe_load((tmp_path / "run/settings.yaml").read_text())) == settings
    facts = json.loads((tmp_path / "run/versions.json").read_text())
    assert facts["command"] == "wmil train mvp"
    assert facts["seed"] == 0
    assert {"python", "torch", "stable-baselines3", "gymnasium", "numpy", "wmil-agents", "wmil-envs"} <= set(facts)
    assert json.loads((tmp_path / "run/verdict.json").read_text()) == result.verdict.to_dict()


def test_metrics_have_a_row_for_every_evaluation_with_floors_and_ceilings(tmp_path: Path) -> None:
    result = run(short(), tmp_path / "run")
    columns = read_metrics(tmp_path / "run/metrics.csv")
    assert columns["step"] == [0, 40, 80, 120, 160] == [evaluated.step for evaluated in result.history]
    assert columns["success"] == [float(evaluated.evaluation.success) for evaluated in result.history]
    assert set(columns["random_success"]) == {0.125}
    assert set(columns["optimal_return"]) == {1.0}
    for attribute in ("symbol", "last_action", "feedback"):
        assert set(columns[f"world_model_floor/{attribute}"]) == {0.0}
        assert all(-5.0 < skill <= 1.0 for skill in columns[f"world_model_skill/{attribute}"])


def test_the_same_seed_gives_the_same_metrics_and_another_one_others(tmp_path: Path) -> None:
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(short(f"seed={seed}"), tmp_path / name)
        texts.append((tmp_path / name / "metrics.csv").read_text())
    assert texts[0] == texts[1] != texts[2]


def test_evaluating_does_not_change_what_is_learnt(tmp_path: Path) -> None:
    often = run(short(), tmp_path / "often")
    seldom = run(short("evaluation.interval=1000"), tmp_path / "seldom")
    assert [evaluated.step for evaluated in seldom.history] == [0, 160]
    assert often.evaluation.to_dict() == seldom.evaluation.to_dict()


def test_an_interval_inside_a_rollout_is_taken_after_it(tmp_path: Path) -> None:
    settings = short(
        "learner.algorithm=PPO", "learner.arguments={n_steps: 8, batch_size: 16}", "evaluation.interval=50"
    )
    result = run(settings, tmp_path / "run")
    assert [evaluated.step for evaluated in result.history] == [0, 64, 128, 192]


def test_settings_and_result_travel_between_processes(tmp_path: Path) -> None:
    settings = pickle.loads(pickle.dumps(short()))
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        there = pool.submit(run, settings, tmp_path / "there").result()
    here = run(settings, tmp_path / "here")
    assert float(there.evaluation.success) == float(here.evaluation.success)
    assert (tmp_path / "there/metrics.csv").read_text() == (tmp_path / "here/metrics.csv").read_text()


def test_handlers_and_threads_are_left_as_they_were(tmp_path: Path) -> None:
    handlers, threads = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)], torch.get_num_threads()
    run(short("n_threads=2", "total_steps=8"), tmp_path / "run")
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert torch.get_num_threads() == threads


def test_progress_is_reported(tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(short(), tmp_path / "run", seen.append)
    assert [progress.step for progress in seen if progress.is_new] == [0, 40, 80, 120, 160]
    assert seen[-1].total_steps == 160
    assert seen[-1].seconds > 0.0


def test_an_environment_that_is_not_ours_is_evaluated_from_episodes(tmp_path: Path) -> None:
    settings = short(
        "env={id: CartPole-v1}",
        "learner={algorithm: PPO, arguments: {n_steps: 16, batch_size: 32}}",
        "world_model.scale=0",
        "n_envs=2",
        "total_steps=64",
        "evaluation.episodes=6",
    )
    run(settings, tmp_path / "run")
    lines = (tmp_path / "run/metrics.csv").read_text().splitlines()
    columns = read_metrics(tmp_path / "run/metrics.csv")
    assert lines[1].split(",")[1] == "6"
    assert columns["return_low"][0] < columns["return"][0] < columns["return_high"][0]


def test_histories_of_any_environment_are_learnt_from_with_a_world_model(tmp_path: Path) -> None:
    settings = short(
        "total_steps=512",
        "evaluation.interval=1000",
        "evaluation.episodes=8",
        "logging.interval=1",
        preset="history-cartpole",
    )
    result = run(settings, tmp_path / "run")
    assert [criterion.statement for criterion in result.verdict.criteria] == ["return of at least 475"]
    assert result.verdict.criteria[0].passed is False
    assert "train/world_model_loss" in (tmp_path / "run/train/progress.csv").read_text()
    experiment = load_run(tmp_path / "run")
    again = experiment.evaluate()
    experiment.close()
    assert again.to_dict() == result.evaluation.to_dict()


@pytest.mark.slow
def test_cartpole_is_solved_by_the_history_agent(tmp_path: Path) -> None:
    result = run(load_settings("history-cartpole"), tmp_path / "run")
    assert result.verdict.reached
    assert float(result.evaluation.episode_return) >= 475.0


def test_histories_of_our_worlds_are_evaluated_from_episodes(tmp_path: Path) -> None:
    settings = short("history={length: 3, positions: trace}", "env.arguments={horizon: 2}", "evaluation.episodes=20")
    evaluation = run(settings, tmp_path / "run").evaluation
    assert isinstance(evaluation.success, Estimated)
    assert isinstance(evaluation.world_model, Unavailable)
    assert evaluation.oracle is not None


def test_a_curriculum_is_trained_with_and_its_default_level_evaluated(tmp_path: Path) -> None:
    settings = short("env.arguments.curriculum=mastery", "env.arguments.info=full", "env.arguments.group_size=2")
    result = run(settings, tmp_path / "run")
    assert result.evaluation.level == 1
    assert "reward/goal" in (tmp_path / "run/train/progress.csv").read_text()


def test_several_steps_and_noise_run_too(tmp_path: Path) -> None:
    settings = short(
        "env.arguments={horizon: 3, dynamics: fresh, parent: {kind: noisy, flip: 0.1}}", preset="sequence-next"
    )
    result = run(settings, tmp_path / "run")
    assert 0.0 <= float(result.evaluation.success) <= 1.0


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["env.id=WMIL/PatternEch-v0"], "cannot be made.*PatternEch"),
        (["env.id=nowhere:Thing-v0"], "cannot be made.*nowhere"),
        (["env.arguments.horzon=2"], "no argument 'horzon'; did you mean 'horizon'"),
        (["env.arguments.horizon=0"], "horizon must be at least 1"),
        (["env.arguments.n_symbols=1"], "at least 2"),
        (["env.arguments.level=7"], "levels"),
        (["env.arguments.parent=oracle"], "a parent is one of"),
        (["learner.arguments.learning_rat=1"], "did you mean 'learning_rate'"),
        (["learner.arguments.seed=1"], "decided by other settings"),
        (["learner.arguments.learning_rate=fast"], "is a number, or text such as lin_0.001, not 'fast'"),
        (["learner={algorithm: PPO, arguments: {ent_coef: lin_0.1}}"], "ent_coef of PPO is a number, not 'lin_0.1'"),
        (["learner.arguments.baseline=best"], "baseline must be one of"),
        (["policy.n_heads=3"], "learner cannot be made"),
        (["policy.width=4096"], r"more than 402,653,184 parameters.*policy\.max_parameters=null"),
        (["policy.width=204"], r"has 1,0\d\d,\d\d\d parameters.*policy\.max_parameters=null"),
        (["ablation=shuffled_rewards", "n_envs=1"], "n_envs must be at least 2"),
        (["ablation=no_baseline", "learner={algorithm: PPO}"], "one of REINFORCE"),
        (["ablation=no_world_model", "world_model.scale=0"], "takes nothing away"),
        (
            ["contrastive.scale=0.1"],
            "the learner cannot be made: the contrastive .* or a time limit, of at least 2$",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    tmp_path: Path, overrides: list[str], sentence: str
) -> None:
    settings = load_settings("mvp", overrides)
    with pytest.raises(InputError, match=sentence) as error:
        run(settings, tmp_path / "run")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_world_model_that_cannot_be_is_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise ValueError("there is nothing to predict")

    monkeypatch.setattr("wmil_agents.runs.experiment.attach", refuse)
    with pytest.raises(InputError, match=r"nothing to predict; or do without a world model: world_model\.scale=0"):
        run(short(), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
    result = run(short("world_model.scale=0"), tmp_path / "run")
    assert result.verdict.criteria[3].passed is False


def test_other_losses_learn_where_they_are_asked_for(tmp_path: Path) -> None:
    asked = ["latent_world_model.scale=0.1", "contrastive.scale=0.1", "env.arguments.horizon=4"]
    for name, overrides, learns in (("with", asked, True), ("baseline", [*asked, "agent=rl_only"], False)):
        run(short(*overrides, "logging.interval=1"), tmp_path / name)
        columns = (tmp_path / name / "train/progress.csv").read_text().splitlines()[0].split(",")
        assert ("train/latent_world_model_spread" in columns) is learns
        assert ("train/contrastive_accuracy" in columns) is learns


def test_tensorboard_is_written_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run(short("logging.tensorboard=true"), tmp_path / "run")
    assert list((tmp_path / "run/train").glob("events.out.tfevents*"))


def test_a_missing_tensorboard_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wmil_agents.runs.trackers.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'wmil-agents\[tensorboard\]'"):
        run(short("logging.tensorboard=true"), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
