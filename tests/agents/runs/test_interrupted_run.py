"""What a run does about damaged checkpoints, other processes, numbers that are not finite, and a full disk."""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from wmil_agents import newest_valid, read_state
from wmil_agents.runs.evaluation_callback import EvaluationCallback
from wmil_agents.runs.experiment import Experiment
from wmil_agents.runs.folder_lock import locked
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run import read_result, run
from wmil_agents.runs.run_stopped import NotFiniteError, RunFailedError, RunStopped
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings

SHORT = ["total_steps=160", "evaluation.interval=40", "policy.width=16", "policy.n_layers=1", "checkpoints.interval=40"]
FILES = ("metrics.csv", "policy.safetensors", "verdict.json", "evaluations.jsonl")


def short(*overrides: str) -> Settings:
    return load_settings("mvp", [*SHORT, *overrides])


def stopped(folder: Path, settings: Settings, after: int = 11) -> RunStopped:
    """Of a run that is stopped at the start of a rollout, the 12th by default, at step 88."""
    rollouts = iter(range(after + 1))
    with pytest.raises(RunStopped) as error:
        run(settings, folder, stop=lambda: "asked" if next(rollouts) == after else None)
    return error.value


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(short(), folder)
    return folder


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was stopped at step 88."""
    folder = tmp_path_factory.mktemp("half") / "run"
    stopped(folder, short())
    return folder


@pytest.fixture
def copy(half: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(half, tmp_path / "copy"))


def same(one: Path, other: Path) -> None:
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_stopped_run_says_where_and_can_be_sent_between_processes(tmp_path: Path) -> None:
    error = pickle.loads(pickle.dumps(stopped(tmp_path / "run", short())))
    assert (error.step, error.reason, error.folder) == (88, "asked", tmp_path / "run")
    assert [path.name for path in sorted((tmp_path / "run/checkpoints").iterdir())] == [
        "step-000000000040",
        "step-000000000080",
        "step-000000000088",
    ]
    with pytest.raises(InputError, match=r"is not done: `wmil resume .*` continues it"):
        read_result(tmp_path / "run")


def test_damaged_checkpoints_are_named_skipped_and_set_aside(copy: Path, whole: Path) -> None:
    for step in (80, 88):
        arrays = copy / f"checkpoints/step-{step:012d}/arrays.safetensors"
        content = bytearray(arrays.read_bytes())
        content[-3] ^= 1
        arrays.write_bytes(content)
    notices: list[str] = []
    run(short("checkpoints.interval=40"), copy, notice=notices.append)
    assert [notice for notice in notices if notice.startswith("skipped: ")] == [
        f"skipped: the checkpoint {copy / 'checkpoints' / name} cannot be used: arrays.safetensors was changed or "
        "damaged after it was written"
        for name in ("step-000000000088", "step-000000000080")
    ]
    assert notices[-1] == "continued from step 40 of 160, 2 damaged skipped"
    same(copy, whole)
    names = sorted(path.name for path in (copy / "checkpoints").iterdir())
    assert names[:2] == ["damaged-step-000000000080", "damaged-step-000000000088"]
    assert newest_valid(copy / "checkpoints").skipped == ()
    entry = json.loads((copy / "continued.json").read_text())["continued"][0]
    assert (entry["step"], entry["exact"], len(entry["skipped"])) == (40, True, 2)
    assert entry["versions"]["seed"] == 0


def test_without_any_checkpoint_a_run_begins_anew(copy: Path, whole: Path) -> None:
    shutil.rmtree(copy / "checkpoints")
    notices: list[str] = []
    run(short(), copy, notice=notices.append)
    assert "it begins anew" in notices[0]
    same(copy, whole)


def test_a_process_that_dies_after_the_last_step_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = short("episodes.every=1")
    run(settings, tmp_path / "whole")

    def dies(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(EvaluationCallback, "_on_training_end", dies)
        with pytest.raises(MemoryError):
            run(settings, tmp_path / "run")
    assert newest_valid(tmp_path / "run/checkpoints").manifest.step == 160
    monkeypatch.setattr("wmil_agents.runs.run.continue_learning", dies)
    run(settings, tmp_path / "run")
    same(tmp_path / "run", tmp_path / "whole")
    for path in (tmp_path / "whole/episodes").glob("*.npz"):
        assert (tmp_path / "run/episodes" / path.name).read_bytes() == path.read_bytes()


def test_the_best_evaluation_is_kept_beside_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = Experiment.evaluate

    def best_at_80(self: Experiment, *arguments: Any, **more: Any) -> Any:
        made = evaluate(self, *arguments, **more)
        worse = type(made.episode_return)(2.0 if self.model.num_timesteps == 80 else 0.1)
        return made.__class__(**{**vars(made), "episode_return": worse})

    monkeypatch.setattr(Experiment, "evaluate", best_at_80)
    run(short("checkpoints.keep_last=1"), tmp_path / "run")
    steps = sorted(path.name[-3:] for path in (tmp_path / "run/checkpoints").iterdir())
    assert steps == ["080", "160"]


def test_a_folder_that_another_process_writes_to_is_refused(copy: Path, whole: Path) -> None:
    with locked(copy), pytest.raises(InputError, match="another process is writing to"):
        run(short(), copy)
    run(short(), copy)
    same(copy, whole)


def test_other_versions_are_not_exact_and_said_to_be(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wmil_agents.runs.continuation.library_versions", lambda: {"python": "4.0"})
    notices: list[str] = []
    run(short(), copy, notice=notices.append)
    assert any(notice.startswith("not exact: it was continued with other versions, python 3.") for notice in notices)
    done = json.loads((copy / "DONE.json").read_text())
    assert done["exact"] is False
    assert "other versions" in done["inexact"][0]


def test_a_schedule_that_had_fallen_makes_a_longer_run_inexact(tmp_path: Path) -> None:
    from wmil_agents.runs.continuation import extend

    settings = short("total_steps=40", "learner.arguments.learning_rate=lin_0.5")
    run(settings, tmp_path)
    extend(tmp_path, 80)
    run(load_settings(str(tmp_path / "settings.yaml")), tmp_path)
    sentence = "it was made longer, 40 to 80 steps, and learning_rate had fallen as for the shorter one"
    assert json.loads((tmp_path / "DONE.json").read_text())["inexact"] == [sentence]


def test_infinite_settings_are_read_back(tmp_path: Path) -> None:
    settings = short("total_steps=16", "learner.arguments.max_grad_norm=.inf")
    run(settings, tmp_path)
    assert ".inf" in (tmp_path / "settings.yaml").read_text()
    assert load_settings(str(tmp_path / "settings.yaml")) == settings
    assert run(settings, tmp_path).history[-1].step == 16


# ---- environments


class Counting(gym.Env[Any, Any]):
    """Ends after 5 steps; at one of them it may give a number that is not finite."""

    observation_space = gym.spaces.Box(-9.0, 9.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, bad: str = "", at: int = 20) -> None:
        self._bad, self._at, self._n = bad, at, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._n += 1
        reward = np.inf if (self._bad, self._n) == ("reward", self._at) else float(action)
        return self._observation(), reward, self._n % 5 == 0, False, {}

    def _observation(self) -> Any:
        bad = (self._bad, self._n) == ("observation", self._at)
        return np.array([self._n % 5, np.nan if bad else 0.0], dtype=np.float32)


@pytest.fixture(autouse=True)
def counting_env() -> Iterator[None]:
    gym.register("Counting-v0", Counting)
    yield
    del gym.registry["Counting-v0"]


def foreign(*overrides: str) -> Settings:
    env = ["env={id: Counting-v0, arguments: {}}", "world_model.scale=0", "evaluation.episodes=4", "n_envs=2"]
    a2c = "learner={algorithm: A2C, arguments: {n_steps: 2}}"
    return short(*env, a2c, "checkpoints.interval=16", *overrides)


def test_an_environment_that_cannot_tell_its_state_makes_the_run_inexact(tmp_path: Path) -> None:
    stopped(tmp_path, foreign())
    notices: list[str] = []
    run(foreign(), tmp_path, notice=notices.append)
    assert any(notice.startswith("not exact: ") and "Counting" in notice for notice in notices)
    done = json.loads((tmp_path / "DONE.json").read_text())
    assert done["exact"] is False
    assert json.loads((tmp_path / "continued.json").read_text())["continued"][0]["inexact"] == done["inexact"]


@pytest.mark.parametrize("bad", ["reward", "observation"])
def test_what_is_not_finite_in_an_environment_stops_the_run_with_a_dump(tmp_path: Path, bad: str) -> None:
    settings = foreign(f"env.arguments.bad={bad}")
    with pytest.raises(NotFiniteError, match=f"a {bad} is not finite.*of environment 0, 1.*from the environment"):
        run(settings, tmp_path)
    dump, _ = read_state(tmp_path / "not-finite")
    assert (dump["what"], dump["step"]) == (bad, 40)
    last = dump["last_step"]["rewards" if bad == "reward" else "new_obs"]
    assert not np.isfinite(last).all()
    assert newest_valid(tmp_path / "checkpoints").manifest.step == 32
    with pytest.raises(NotFiniteError):  # continued, it meets the same number again
        run(settings, tmp_path)


def test_parameters_too_large_to_answer_with_are_told(tmp_path: Path) -> None:
    huge = ["learner.arguments.learning_rate=1e30", "learner.arguments.max_grad_norm=1e30"]
    with pytest.raises(NotFiniteError, match=r"step 8: a policy's answer is not finite \(.*block.*learning_rate"):
        run(short(*huge), tmp_path)
    assert read_state(tmp_path / "not-finite")[0]["what"] == "policy's answer"


def test_an_error_of_another_cause_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(EvaluationCallback, "_on_step", fails)
    with pytest.raises(RuntimeError, match=r"^a bug$"):
        run(short(), tmp_path)
    assert not (tmp_path / "not-finite").exists()


def test_a_gradient_that_is_not_finite_changes_no_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stable_baselines3.common.policies import ActorCriticPolicy

    from wmil_agents.attached_policy import AttachedPolicy

    evaluate, n_calls = AttachedPolicy.evaluate_actions, 0

    def poisoned(self: ActorCriticPolicy, *arguments: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        values, log_prob, entropy = evaluate(self, *arguments)
        return values, log_prob * (float("nan") if n_calls == 12 else 1.0), entropy

    monkeypatch.setattr(AttachedPolicy, "evaluate_actions", poisoned)
    with pytest.raises(NotFiniteError, match=r"a gradient is not finite .*features_extractor.* more.*learning_rate"):
        run(short(), tmp_path)
    dump, _ = read_state(tmp_path / "not-finite")
    assert (dump["what"], dump["step"]) == ("gradient", 96)
    assert any(not gradient.isfinite().all() for gradient in dump["gradients"].values())
    assert "rewards" in dump["rollout"]
    state, _ = read_state(newest_valid(tmp_path / "checkpoints").folder)
    assert "not-finite" not in state


# ---- disk


@pytest.fixture
def small_disk() -> Iterator[Any]:
    """A function after which no file can become larger than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda n_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_leaves_the_last_checkpoint(copy: Path, whole: Path, small_disk: Any) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    small_disk(30_000)  # less than a checkpoint, more than all else that it begins with
    told = r"could not be written.*File too large.*Make room, and `wmil resume .*copy` continues it"
    with pytest.raises(RunFailedError, match=told):
        run(short(), copy)
    small_disk(before)
    found = newest_valid(copy / "checkpoints")
    assert found.skipped == ()
    assert found.manifest is not None
    assert found.manifest.step == 88
    run(short(), copy)
    same(copy, whole)


# ---- signals to a real process

PROGRAM = "from wmil_agents.cli.main import app; app()"


def started(folder: Path, *sets: str) -> Any:
    words = [word for one in [*SHORT, "total_steps=1000000", *sets] for word in ("--set", one)]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "train", "mvp", *words, "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
    )


def has_begun(process: Any) -> None:
    while "step" not in (line := process.stdout.readline()) or "of 1,000,000" not in line:
        assert line, process.stderr.read()


def test_a_signal_ends_a_real_process_with_a_checkpoint_and_its_code(tmp_path: Path) -> None:
    process = started(tmp_path / "run")
    try:
        has_begun(process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 143
    assert "wmil: interrupted by SIGTERM at step " in err
    assert f"`wmil resume {tmp_path / 'run'}` continues" in err
    assert "Traceback" not in err
    step = newest_valid(tmp_path / "run/checkpoints").manifest.step
    assert f"at step {step:,} of" in err
    assert step is not None


SLOW_ENV = """
import time
import gymnasium as gym
class Slow(gym.Env):
    observation_space, action_space = gym.spaces.Discrete(2), gym.spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        return 0, {}
    def step(self, action):
        print("slow", flush=True)
        time.sleep(600)
gym.register("Slow-v0", Slow)
"""


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    (tmp_path / "slow_env.py").write_text(SLOW_ENV)
    words = ["env={id: 'slow_env:Slow-v0', arguments: {}}", "world_model.scale=0", "evaluation.return_threshold=1"]
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from wmil_agents.runs.experiment import Experiment\n"
        "from wmil_agents.evaluation.evaluation import Evaluation\n"
        "from wmil_envs.oracle import Unavailable\n"
        "no = Unavailable('it takes too long')\n"
        "Experiment.evaluate = lambda self: Evaluation(no, no, no, no, None, no, no, None)\n" + PROGRAM
    )
    sets = [word for one in words for word in ("--set", one)]
    process: Any = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), "train", "mvp", *sets, "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while "slow" not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "once more to end at once" in err
    assert "Traceback" not in err
