"""What a run was made with: versions, platform, commit, seed and command."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_DISTRIBUTIONS = ("wmil-agents", "wmil-envs", "torch", "stable-baselines3", "gymnasium", "numpy")


def versions(seed: int, command: Sequence[str] = ()) -> dict[str, Any]:
    """The facts that are needed to repeat a run, as plain data.

    Args:
        seed: of the run.
        command: the words that started it; none where a program called `run` itself.
    """
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in _DISTRIBUTIONS},
        "platform": platform.platform(),
        "git": _git(Path(__file__).parent),
        "seed": seed,
        "command": shlex.join(command) if command else None,
    }


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit of the checkout that this code runs from, and whether it was changed since; None outside of one."""
    try:
        if _ask_git(folder, "ls-files", "--", __file__) == "":
            return None  # installed into somebody else's checkout
        return {
            "commit": _ask_git(folder, "rev-parse", "HEAD"),
            "dirty": _ask_git(folder, "status", "--porcelain") != "",
        }
    except (OSError, subprocess.SubprocessError):
        return None


def _ask_git(folder: Path, *words: str) -> str:
    answer = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    return answer.stdout.strip()
