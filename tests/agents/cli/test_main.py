import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wmil_agents._version import __version__
from wmil_agents.cli.main import app
from wmil_agents.cli.settings_help import settings_help
from wmil_agents.evaluation.quantity import figure_text
from wmil_agents.runs.metrics_columns import read_metrics
from wmil_agents.runs.settings import Settings
from wmil_envs.registration import ROWS

RUNNER = CliRunner()
SHORT = ["total_steps=160", "evaluation.interval=40", "policy.width=16"]


def wmil(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    result = RUNNER.invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def with_sets(*overrides: str) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    code, _, _ = wmil("train", "mvp", *with_sets("total_steps=640", "evaluation.interval=80"), "--out", str(folder))
    assert code in (0, 1)
    return folder


HELP = "import sys; from wmil_agents.cli.main import app; sys.argv = ['wmil', '--help']; sys.exit(app())"


def test_help_answers_at_once() -> None:
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        answer = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "train" in answer.stdout
    assert min(seconds) < 0.3


@pytest.mark.parametrize("words", ["['wmil', '--help']", "['wmil', 'train', '--help']"])
def test_help_imports_no_heavy_library(words: str) -> None:
    code = f"""
import sys
from wmil_agents.cli.main import app
sys.argv = {words}
try:
    app()
except SystemExit:
    pass
print([name for name in ("torch", "gymnasium", "stable_baselines3", "matplotlib", "numpy") if name in sys.modules])
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_help_states_the_exit_codes_and_every_setting() -> None:
    _, text, _ = wmil("train", "--help")
    assert "Exit code: 0" in text
    for name, field in Settings.model_fields.items():
        assert f"\n  {name}" in text
        assert " ".join((field.description or "").split())[:40] in text or hasattr(field.annotation, "model_fields")
    assert "policy.width  whole number  [default: 64]" in text
    assert "learner.algorithm  REINFORCE|A2C|PPO  [default: REINFORCE]" in text
    assert "policy.max_parameters  whole number|null  [default: 1000000]" in text
    assert "mvp" in settings_help()


def test_the_list_of_commands_is_not_cut() -> None:
    _, text, _ = wmil("--help")
    assert "..." not in text.partition("Commands:")[2]


def test_a_run_that_learnt_ends_with_0_and_its_verdict(in_tmp: Path) -> None:
    code, out, _ = wmil("train", "mvp", *with_sets("total_steps=1600", "evaluation.interval=200"), "--seed", "3")
    assert code == 0
    assert "all criteria passed" in out
    for word in ("success above chance", "entropy falls", "world-model error falls", "floor", "ceiling"):
        assert word in out
    folder = in_tmp / "runs" / "mvp-3"
    assert (folder / "curve.svg").is_file()
    assert (folder / "curve.png").is_file()
    assert json.loads((folder / "versions.json").read_text())["seed"] == 3
    assert "runs/mvp-3" in out.replace(os.sep, "/")


def test_a_run_that_learnt_nothing_ends_with_1(in_tmp: Path) -> None:
    code, out, _ = wmil("train", "mvp", *with_sets(*SHORT, "ablation=random_policy"), "--out", "here")
    assert code == 1
    assert "not all criteria passed" in out
    assert "ablation random_policy" in out
    assert (in_tmp / "here/verdict.json").is_file()


def test_a_missing_matplotlib_is_named_with_the_command(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wmil_agents.cli.training.matplotlib_is_installed", lambda: False)
    _, out, _ = wmil("train", "mvp", *with_sets(*SHORT), "--out", "here")
    assert "pip install 'wmil-agents[report]'" in out
    assert not list((in_tmp / "here").glob("curve.*"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_keeps_what_was_measured_and_goes_on(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    from wmil_agents.runs.evaluation_callback import EvaluationCallback

    measure, handlers = EvaluationCallback._make, [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]

    def interrupted(self: EvaluationCallback) -> None:
        measure(self)
        if self.num_timesteps == 80:
            os.kill(os.getpid(), number)

    words = ["train", "mvp", *with_sets(*SHORT, "checkpoints.interval=1000"), "--out", "here"]
    with monkeypatch.context() as patched:
        patched.setattr(EvaluationCallback, "_make", interrupted)
        assert wmil(*words)[0] == code
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert read_metrics(in_tmp / "here/metrics.csv")["step"] == [0, 40, 80]
    assert wmil("eval", "here", "--level", "1")[0] == 0
    _, out, _ = wmil("resume", "here")
    assert "continued from step 88 of 160" in out
    wmil("train", "mvp", *with_sets(*SHORT, "checkpoints.interval=1000"), "--out", "whole")
    for name in ("metrics.csv", "policy.safetensors", "verdict.json", "evaluations.jsonl"):
        assert (in_tmp / "here" / name).read_bytes() == (in_tmp / "whole" / name).read_bytes()


def test_the_same_command_again_trains_nothing_and_another_one_says_what_differs(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "mvp", *with_sets(*SHORT)]
    first = wmil(*words)
    with monkeypatch.context() as patched:
        patched.setattr("wmil_agents.runs.run.build_experiment", None)
        again, resumed = wmil(*words), wmil("resume", "runs/mvp-0")
    assert again == resumed
    assert again[0] == first[0]
    assert "is done: this is its verdict again, nothing was trained" in again[1]
    assert first[1].partition("Verdict:")[2] == again[1].partition("Verdict:")[2]
    code, _, err = wmil(*words, "--set", "policy.width=32", "--set", "n_envs=4", "--out", "runs/mvp-0")
    assert code == 2
    assert err == (
        "wmil: the folder runs/mvp-0 holds a run with other settings, there -> here: n_envs: 8 -> 4, "
        "policy.width: 16 -> 32\n"
    )
    longer = [*words, "--set", "total_steps=200", "--out", "runs/mvp-0"]
    assert "`wmil resume runs/mvp-0 --total-steps 200` makes it longer" in wmil(*longer)[2]


def test_a_run_that_was_made_longer_is_the_longer_run(in_tmp: Path) -> None:
    wmil("train", "mvp", *with_sets(*SHORT), "--out", "here")
    code, out, _ = wmil("resume", "here", "--total-steps", "240")
    assert code in (0, 1)
    assert "continued from step 160 of 240" in out
    wmil("train", "mvp", *with_sets(*SHORT, "total_steps=240"), "--out", "whole")
    for name in ("metrics.csv", "policy.safetensors", "verdict.json", "settings.yaml"):
        assert (in_tmp / "here" / name).read_bytes() == (in_tmp / "whole" / name).read_bytes()
    code, _, err = wmil("resume", "here", "--total-steps", "200")
    assert code == 2
    assert "can only make it longer" in err
    code, _, err = wmil("resume", "nowhere")
    assert code == 2
    assert "is not the folder of a run" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "mpv"], "did you mean 'mvp'"),
        (["train", "absent.yaml"], "cannot be read"),
        (["train", "malformed.yaml"], "not valid YAML"),
        (["train", "mvp", "--set", "polcy.width=3"], "did you mean 'policy'"),
        (["train", "mvp", "--set", "policy.width=none"], "policy.width"),
        (["train", "mvp", "--set", "env.arguments.horizon=0"], "horizon must be at least 1"),
        (["train", "mvp", "--set", "env.arguments.n_symbols=1"], "n_actions"),
        (["train", "mvp", "--set", "env.arguments.level=9"], "levels"),
        (["train", "mvp", "--set", "env.arguments.parent=oracle"], "a parent is one of"),
        (["train", "mvp", "--set", "env.id=WMIL/Nothing-v0"], "cannot be made"),
        (["train", "mvp", "--out", "malformed.yaml"], "is not a folder"),
        (["train", "mvp", "--out", "malformed.yaml/run"], "is not a folder"),
        (["train", "mvp", "--seed", "-1"], "seed"),
        (["train"], "Missing argument"),
        (["trian"], "No such command"),
        (["envs", "WMIL/PatternEch-v0"], "did you mean 'WMIL/PatternEcho-v0'"),
        (["envs", "WMIL/Foo-v0"], "there are WMIL/Conditional-v0, WMIL/PatternEcho-v0, WMIL/SequenceNext-v0"),
        (["eval", "nowhere"], "is not the folder of a finished run"),
        (["eval", "nowhere", "--episodes", "1"], "2"),
    ],
)
def test_bad_input_ends_with_2_one_sentence_and_nothing_written(in_tmp: Path, words: list[str], sentence: str) -> None:
    (in_tmp / "malformed.yaml").write_text("policy: {width: [", encoding="utf-8")
    code, out, err = wmil(*words)
    assert code == 2
    assert out == ""
    assert sentence in " ".join(err.split())
    assert "Traceback" not in err
    if err.startswith("wmil: "):
        assert len(err.splitlines()) == 1
    assert [path.name for path in in_tmp.iterdir()] == ["malformed.yaml"]


def test_a_bug_is_not_taken_for_bad_input(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **more: object) -> bool:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr("wmil_agents.cli.training.train_and_judge", broken)
    with pytest.raises(ValueError, match="a mistake of ours"):
        wmil("train", "mvp")


def test_environments_are_listed_with_their_oracles() -> None:
    code, out, _ = wmil("envs")
    assert code == 0
    for word in (
        "WMIL/PatternEcho-v0",
        "WMIL/SequenceNext-v0",
        "WMIL/Conditional-v0",
        "hidden rule",
        "0.5000",
        "0.0625",
    ):
        assert word in out


def test_an_environment_is_described() -> None:
    code, out, _ = wmil("envs", "WMIL/SequenceNext-v0")
    assert code == 0
    for word in ("Observation:", "element_1 (9)", "What can be reached", "5: hidden rule", "feedback", "0.125"):
        assert word in out


@pytest.mark.parametrize("short", ["PatternEcho", "PatternEcho-v0"])
def test_an_environment_may_be_named_in_short(short: str) -> None:
    assert wmil("envs", short) == wmil("envs", "WMIL/PatternEcho-v0")


def test_the_version_is_told() -> None:
    assert wmil("--version") == (0, f"wmil {__version__}\n", "")


def test_a_run_is_evaluated_exactly_at_every_level(finished: Path) -> None:
    code, out, _ = wmil("eval", str(finished))
    assert code == 0
    last = read_metrics(finished / "metrics.csv")
    untrained, trained = out.split("1: all symbols (trained)")
    assert "0: half of the symbols" in untrained
    expected = {
        "success": ("success", "0.1250", "1.000"),
        "return": ("return", "0.1250", "1.000", "1.000"),
        "entropy": ("entropy", "0.0000", "2.079"),
        "world-model error": ("world_model_error", "0.0000", "0.0932"),
        "world-model skill": ("world_model_skill", "0.0000", "1.000"),
    }
    for name, (column, *bounds) in expected.items():
        line = next(line.strip() for line in trained.splitlines() if line.startswith(f" {name} "))
        words = line.removeprefix(name).replace(" - ", " ").split()
        assert words == [figure_text(last[column][-1]), "exact", *bounds]


def test_one_level_can_be_chosen_and_an_unknown_one_is_refused(finished: Path) -> None:
    _, out, _ = wmil("eval", str(finished), "--level", "0")
    assert "0: half" in out
    assert "1: all" not in out
    code, _, err = wmil("eval", str(finished), "--level", "7")
    assert code == 2
    assert "levels" in err


def test_an_estimate_comes_with_n_and_an_interval(finished: Path) -> None:
    code, out, _ = wmil("eval", str(finished), "--episodes", "64", "--level", "0")
    assert code == 0
    assert "0: half of the symbols, 64 episodes" in out
    for name in ("success", "return", "entropy"):
        assert re.search(rf"^ {name} +[0-9.]+ +\[[0-9.]+, [0-9.]+\]", out, re.MULTILINE)


@pytest.mark.parametrize(
    "words", [["envs"], *(["envs", row.id] for row in ROWS), ["eval"], ["eval", "--episodes", "9"]]
)
def test_tables_fit_a_terminal_of_80_columns_uncut(finished: Path, words: list[str]) -> None:
    code, out, _ = wmil(*words, *([str(finished)] if words[0] == "eval" else []))
    assert code == 0
    assert "…" not in out
    for name in (row.id for row in ROWS) if words == ["envs"] else ():
        assert name in out
    assert max(len(line) for line in out.splitlines() if str(finished) not in line) <= 80
    figures = [line for line in out.splitlines() if re.search(r"  -?\d[\d.,]*$", line.rstrip())]
    assert len(figures) >= 10 - 3 * ("PatternEcho" in words[-1])
    for line in figures:
        assert not re.search(r"\d\.\s", line), "a figure was folded"


def test_a_column_that_never_changes_is_not_called_unpredictable() -> None:
    _, said, _ = wmil("envs", "Conditional")
    assert "always the same" in said
    assert "not predictable" not in said
