from __future__ import annotations

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

from wmil_agents.cli import surgery as command
from wmil_agents.cli.main import app

TINY = ["--seeds", "1", "--damages", "2", "--edits", "2", "--jobs", "2"]


def wmil(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    result = CliRunner().invoke(app, ["surgery", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_names_every_arm_and_imports_no_heavy_library() -> None:
    code = """
import sys
from wmil_agents.cli.main import app
sys.argv = ['wmil', 'surgery', '--help']
try:
    app()
except SystemExit:
    pass
print([name for name in ("torch", "gymnasium", "stable_baselines3", "matplotlib", "numpy") if name in sys.modules])
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    from wmil_agents.studies.repair.arms import ARMS

    for words in (*ARMS, "--arms", "--seeds", "--damages", "--train-edits", "--fault", "--dry-run", "Exit code: 0"):
        assert words in answer.stdout
    assert answer.stdout.splitlines()[-1] == "[]"


def test_arms_operate_are_told_written_drawn_and_used_again(in_tmp: Path) -> None:
    words = ["--arms", "calibrate", "random", "es", "none", *TINY]
    code, out, err = wmil(*words)
    assert (code, err) == (0, "")
    (folder,) = (in_tmp / "runs").iterdir()
    assert folder.name.startswith("repair-random_damage-")
    for text in ("4 arms x 1 seed = 4", "seed 0 is done", "calibrate minus", "Share of the lost held-out score"):
        assert text in out
    assert f"Everything is in runs/{folder.name}" in out.replace(os.sep, "/")
    assert max(map(len, out.splitlines())) <= 80
    for name in ("summary.md", "summary.json", "results.csv", "repair.svg", "repair.png"):
        assert (folder / name).is_file()
    arms = {arm["name"]: arm for arm in json.loads((folder / "summary.json").read_text())["arms"]}
    assert arms["calibrate"]["regained"]["value"] > 0.9
    assert arms["none"]["regained"]["value"] == 0.0

    before = (folder / "results.csv").read_bytes()
    code, out, _ = wmil(*words)
    assert code == 0
    assert "4 of them done already and used as they are" in out
    assert "is done" not in out.replace("of them done", "")
    assert (folder / "results.csv").read_bytes() == before
    code, out, _ = wmil(*words, "sac", "--seeds", "3", "--dry-run")
    assert code == 0
    assert "calibrate      1 of 3 done" in out
    assert "sac            0 of 3 done" in out
    assert "8,000 edits of training" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--arms", "scs"], "did you mean 'sac'"),
        (["sac", "es0"], "es needs at least 1 evaluations"),
        (["--fault", "flipped_heads"], "did you mean 'flipped_head'"),
        (["--arms", "sac", "--damages", "1"], "damages"),
        (["--arms", "sac,sac"], "each of them once"),
    ],
)
def test_bad_input_ends_with_2_one_sentence_and_nothing_written(in_tmp: Path, words: list[str], sentence: str) -> None:
    code, out, err = wmil(*words)
    assert code == 2
    assert out == ""
    assert sentence in " ".join(err.split())
    assert list(in_tmp.iterdir()) == []


def test_arms_may_be_written_in_any_of_the_usual_ways(in_tmp: Path) -> None:
    ways = (["--arms", "sac", "es", "none"], ["sac", "es", "none"], ["--arms", "sac,es", "--arms", "none"])
    told = {wmil(*words, "--dry-run")[1] for words in ways}
    assert len(told) == 1
    assert "3 arms x 5 seeds = 15" in told.pop()
    assert "11 arms x 5 seeds" in wmil("--dry-run")[1]


def test_a_missing_matplotlib_is_named_with_the_command(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wmil_agents.studies.repair.arms import arm_named
    from wmil_agents.studies.repair.cases import Cases, write_cases
    from wmil_agents.studies.repair.plan import plan_repairs
    from wmil_agents.studies.repair.settings import RepairSettings

    plan = plan_repairs(["none"], 1, RepairSettings(), in_tmp / "here")
    cases = Cases([1.0] * 40, [0.5] * 40, [0.5] * 40, [False] * 40, [0] * 40, 0, 0.0, 0.0)
    write_cases(plan.file(arm_named("none"), 0), "none", 0, plan.settings.of_arm(learns=False), cases)
    monkeypatch.setattr(command, "matplotlib_is_installed", lambda: False)
    code, out, _ = wmil("none", "--seeds", "1", "--out", "here")
    assert code == 0
    assert "pip install 'wmil-agents[report]'" in out
    assert not (in_tmp / "here" / "repair.svg").exists()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a group of processes is interrupted")
def test_an_interruption_keeps_what_is_done_and_says_how_to_go_on(in_tmp: Path) -> None:
    program = "from wmil_agents.cli.main import app; app()"
    words = ["none", "sac", "--seeds", "1", "--out", "here", "--jobs", "1"]
    process: Any = subprocess.Popen(
        [sys.executable, "-c", program, "surgery", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        while not (in_tmp / "here" / "seed-0" / "none.json").is_file():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert "wmil: interrupted by SIGINT; arms and seeds that are done (1 of 2) are kept in here" in err
    assert "the same command continues" in err
    assert "Traceback" not in err
