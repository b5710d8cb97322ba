import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from wmil_agents.cli import comparison as command
from wmil_agents.cli.main import app

SETS = ["total_steps=160", "evaluation.interval=40", "policy.width=16", "policy.n_layers=1"]
TINY = [word for setting in SETS for word in ("--set", setting)]


def wmil(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    result = CliRunner().invoke(app, ["compare", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_shows_how_arms_are_written_with_examples() -> None:
    code, text, _ = wmil("--help")
    assert code == 0
    for words in (
        "\n    wmil compare mvp mvp:agent=random\n",
        "--seeds",
        "--set",
        "--jobs",
        "--per-step",
        "--dry-run",
        "--out",
        "Exit code: 0",
        "130",
    ):
        assert words in text


def test_help_imports_no_heavy_library() -> None:
    code = """
import sys
from wmil_agents.cli.main import app
sys.argv = ['wmil', 'compare', '--help']
try:
    app()
except SystemExit:
    pass
print([name for name in ("torch", "gymnasium", "stable_baselines3", "matplotlib", "numpy") if name in sys.modules])
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_arms_are_compared_told_written_drawn_and_used_again(in_tmp: Path) -> None:
    words = ["mvp", "mvp:agent=random", "mvp:agent=kl_distill", "--seeds", "2", *TINY, "--jobs", "2"]
    code, out, err = wmil(*words)
    assert (code, err) == (0, "")
    (folder,) = (in_tmp / "runs").iterdir()
    assert folder.name.startswith("compare-mvp-")
    assert f"Everything is in runs/{folder.name}" in out.replace(os.sep, "/")
    for text in ("3 arms x 2 seeds = 6 runs", "6 of 6 runs ended", "floor 0.1250, ceiling 1.000", "Against mvp"):
        assert text in out
    assert "uses a teacher, so it is no result of learning from" in out
    assert max(map(len, out.splitlines())) <= 80
    for name in ("comparison.md", "comparison.csv", "comparison.json", "comparison.svg", "comparison.png"):
        assert (folder / name).is_file()
    assert json.loads((folder / "comparison.json").read_text())["failures"] == []

    before = (folder / "comparison.csv").read_bytes()
    code, out, _ = wmil(*words)
    assert code == 0
    assert "6 of them done already and used as they are" in out
    assert "runs ended" not in out
    assert (folder / "comparison.csv").read_bytes() == before

    code, out, _ = wmil(*words, "--seeds", "3", "--dry-run")
    assert code == 0
    assert out.count("done already  ") == 6
    assert out.count("to run  ") == 3
    assert "kl_distill (uses a teacher)" in out
    assert len(list(folder.rglob("settings.yaml"))) == 6


def test_a_dry_run_writes_nothing(in_tmp: Path) -> None:
    code, out, _ = wmil("mvp", "mvp:agent=random", "--dry-run", "--seeds", "2")
    assert code == 0
    assert out.count("to run  ") == 4
    assert "score: success, floor 0.1250, ceiling 1.000, threshold 0.9500" in out
    assert list(in_tmp.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mvp"], "needs at least two arms"),
        (["mvp", "mpv"], "did you mean 'mvp'"),
        (["mvp", "mvp:agent=robot"], "agent"),
        (["mvp", "mvp:policy.wdth=3"], "did you mean 'policy.width'"),
        (["mvp", "mvp:env.arguments.horizon=2"], "compare per step, --per-step"),
        (["mvp", "mvp:total_steps=20"], "--per-step"),
        (["mvp", "mvp:env.arguments.n_symbols=4"], "cannot be compared"),
        (["mvp", "mvp", "--seeds", "1"], "seeds"),
        (["mvp", "mvp", "--jobs", "0"], "jobs"),
        ([], "Missing argument"),
    ],
)
def test_bad_input_ends_with_2_one_sentence_and_nothing_written(in_tmp: Path, words: list[str], sentence: str) -> None:
    code, out, err = wmil(*words)
    assert code == 2
    assert out == ""
    assert sentence in " ".join(err.split())
    if err.startswith("wmil: "):
        assert len(err.splitlines()) == 1
    assert list(in_tmp.iterdir()) == []


def test_a_run_that_fails_is_named_and_the_exit_code_is_1(in_tmp: Path) -> None:
    code, out, _ = wmil(
        "mvp", "mvp:learner.arguments.learning_rate=1.0e+38", "--seeds", "2", *TINY, "--jobs", "2", "--out", "here"
    )
    assert code == 1
    assert "FAILED: " in out
    assert "FAILED: mvp:learner.arguments.learning_rate=1.0e+38, seed 0" in " ".join(out.split())
    assert len(json.loads((in_tmp / "here/comparison.json").read_text())["failures"]) == 2


def test_a_missing_matplotlib_is_named_with_the_command(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "matplotlib_is_installed", lambda: False)
    _, out, _ = wmil("mvp", "mvp", "--seeds", "2", *TINY, "--out", "here")
    assert "pip install 'wmil-agents[report]'" in out
    assert not list((in_tmp / "here").glob("comparison.svg"))


def in_group(group: int) -> list[str]:
    """Command lines of the processes of a group, where the system tells; those that are only to be reaped left out."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, _, process_group = (place / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z":
                found.append((place / "cmdline").read_text())
        except (OSError, ValueError):
            continue
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
def test_an_interruption_from_the_keyboard_stops_every_process_and_keeps_what_is_done(in_tmp: Path) -> None:
    program = "from wmil_agents.cli.main import app; app()"
    words = ["mvp", "mvp:agent=rl_only", "--seeds", "20", *TINY, "--set", "total_steps=800", "--out", "here"]
    process: Any = subprocess.Popen(
        [sys.executable, "-c", program, "compare", *words, "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        while "runs ended" not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert err.startswith("\nwmil: stopping as soon as this rollout is done")
    assert "wmil: interrupted by SIGINT; " in err
    assert "the same command continues" in err
    assert "Traceback" not in err
    n_done = len(list((in_tmp / "here").rglob("verdict.json")))
    assert 1 <= n_done < 40
    assert f"{n_done} of 40 runs are done" in err or n_done > 1  # one may have ended between the two
    deadline = time.monotonic() + 20
    while in_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert in_group(process.pid) == []
