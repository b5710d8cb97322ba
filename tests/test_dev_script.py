"""`./dev.sh` sets up once, one at a time, and recovers; a stand-in for Python records what it is asked to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAND_IN = """#!/bin/sh
case "$*" in
*version_info*:2*) echo 3.11 ;;
*version_info*) exit 0 ;;
*ensurepip*) exit "${NO_VENV:-0}" ;;
*"-m venv"*)
    echo venv >>"$CALLS"
    sleep "${VENV_SECONDS:-0}"
    for folder; do :; done
    mkdir -p "$folder/bin"
    cp "$0" "$folder/bin/python"
    ;;
*"-m pip"*)
    echo pip >>"$CALLS"
    if [ -n "${PIP_FAILS:-}" ]; then
        echo "no such version" >&2
        exit 1
    fi
    ;;
*) echo "job: $*" ;;
esac
"""


class Checkout:
    """A copy of what `dev.sh` looks at, and the stand-in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a checkout"
        for name in ("dev.sh", "pyproject.toml", "constraints.txt"):
            self.folder.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.folder)
        for path in [*ROOT.glob("packages/*/pyproject.toml"), *ROOT.glob("packages/*/src/*/_version.py")]:
            copy = self.folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        self.calls = folder / "calls"
        python = folder / "python"
        python.write_text(STAND_IN)
        python.chmod(0o755)
        self.environment = {"PATH": os.environ["PATH"], "PYTHON": str(python), "CALLS": str(self.calls)}

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", str(self.folder / "dev.sh"), *arguments],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    def made(self) -> list[str]:
        """What the stand-in was asked to make since the last time."""
        calls = self.calls.read_text().split() if self.calls.is_file() else []
        self.calls.write_text("")
        return calls


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


SET_UP = ["venv", "pip", "pip", "pip"]


def test_it_sets_up_once_and_passes_the_arguments_on(checkout: Checkout) -> None:
    code, output, _ = checkout.run("test", "-k", "two words")
    assert (code, checkout.made()) == (0, SET_UP)
    assert output.startswith("job: -m pytest")
    assert output.endswith("-k two words\n")
    assert checkout.run("test")[0] == 0
    assert checkout.made() == []


def test_help_and_an_unknown_verb_make_nothing(checkout: Checkout) -> None:
    for arguments in ((), ("help",), ("--help",)):
        code, output, _ = checkout.run(*arguments)
        assert code == 0
        assert all(f"\n  {verb} " in output for verb in ("train", "test", "lint", "docs", "bench", "shell"))
    code, _, errors = checkout.run("tets")
    assert code == 2
    assert "unknown verb: tets" in errors
    assert checkout.made() == []


def test_other_pins_bring_the_set_up_up_to_date_in_place(checkout: Checkout) -> None:
    checkout.run("test")
    checkout.made()
    with (checkout.folder / "constraints.txt").open("a") as file:
        file.write("something==1.0\n")
    assert checkout.run("test")[0] == 0
    assert checkout.made() == SET_UP[1:]


def test_settings_of_the_tools_change_nothing_that_is_installed(checkout: Checkout) -> None:
    checkout.run("test")
    checkout.made()
    with (checkout.folder / "pyproject.toml").open("a") as file:
        file.write("\n[tool.something]\n")
    checkout.run("test")
    assert checkout.made() == []


def test_a_checkout_that_has_moved_starts_over(checkout: Checkout) -> None:
    checkout.run("test")
    checkout.made()
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("elsewhere"))
    assert checkout.run("test")[0] == 0
    assert checkout.made() == SET_UP


def test_a_failed_step_is_shown_and_the_next_call_starts_over(checkout: Checkout) -> None:
    code, output, errors = checkout.run("test", PIP_FAILS="yes")
    assert code == 1
    assert "job" not in output
    assert "no such version" in errors
    assert checkout.made() == ["venv", "pip"]
    assert checkout.run("test")[0] == 0
    assert checkout.made() == SET_UP


def test_an_interrupted_set_up_ends_at_once_and_the_next_call_starts_over(checkout: Checkout) -> None:
    process = checkout.start("test", VENV_SECONDS="30")
    while not checkout.calls.is_file():
        assert process.poll() is None
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 143
    assert not (checkout.folder / ".venv.lock").exists()
    checkout.made()
    assert checkout.run("test")[0] == 0
    assert checkout.made() == SET_UP


def test_of_two_at_once_one_sets_up_and_the_other_waits(checkout: Checkout) -> None:
    processes = [checkout.start("test", VENV_SECONDS="1") for _ in range(2)]
    errors = "".join(process.communicate(timeout=60)[1] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert checkout.made() == SET_UP
    assert errors.count("waiting for it") == 1


def test_the_lock_of_a_dead_process_is_taken_over(checkout: Checkout) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    lock = checkout.folder / ".venv.lock"
    lock.mkdir()
    (lock / "owner").write_text(f"{dead.pid}\n")
    code, _, errors = checkout.run("test")
    assert (code, checkout.made()) == (0, SET_UP)
    assert "was interrupted" in errors
    assert not lock.exists()


def test_a_missing_venv_module_is_named_with_the_fix(checkout: Checkout) -> None:
    code, _, errors = checkout.run("test", NO_VENV="1")
    assert code == 1
    assert "apt-get install python3.11-venv" in errors
    assert not (checkout.folder / ".venv.lock").exists()


def test_a_python_that_is_too_old_or_missing_is_refused(checkout: Checkout) -> None:
    code, _, errors = checkout.run("test", PYTHON="no-such-python")
    assert code == 1
    assert "no Python 3.11 or newer among: no-such-python" in errors
