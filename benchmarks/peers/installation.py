"""Makes a virtual environment for each peer in `.peers/`, and remembers what came of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import ROOT
from benchmarks.peers.peer import PEERS, PROJECT, Peer

CACHE = ROOT / ".peers"
RECORD = "installation.json"
MINUTES = 20
"""A `pip install` that takes longer is given up."""


@dataclass(frozen=True)
class Installation:
    """What came of installing a peer."""

    peer: str
    installs: tuple[tuple[str, ...], ...]
    is_usable: bool
    versions: dict[str, str]
    """Of everything in the environment."""
    reason: str = ""
    """Why it is not usable."""


def install(peer: Peer, cache: Path = CACHE) -> Installation:
    """A fresh environment for the peer; what went wrong is in the answer, not raised."""
    folder = cache / peer.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = str(python_of(peer.name, cache))
    pip = [python, "-m", "pip", "--no-input", "--disable-pip-version-check"]
    commands = [[sys.executable, "-m", "venv", str(folder)]]
    commands += [[*pip, "install", "--quiet", *arguments] for arguments in peer.installs]
    commands += [[python, "-W", "ignore", "-c", f"import {peer.imports}"]]
    reason = ""
    for command in commands:
        reason = _failure(command)
        if reason:
            break
    versions = {} if reason else _versions(pip)
    installation = Installation(peer.name, peer.installs, not reason, versions, reason)
    (folder / RECORD).write_text(json.dumps(asdict(installation), indent=2) + "\n")
    return installation


def installation_of(name: str, cache: Path = CACHE) -> Installation:
    """What is remembered of a peer; not usable where nothing is, or where another recipe was installed."""
    recipe = PEERS[name].installs
    record = cache / name / RECORD
    if not record.is_file():
        return Installation(name, recipe, False, {}, f"not installed here: python -m benchmarks.peers install {name}")
    known = json.loads(record.read_text())
    known["installs"] = tuple(tuple(arguments) for arguments in known["installs"])
    if known["installs"] != recipe:
        reason = f"its recipe has changed since: python -m benchmarks.peers install {name}"
        return Installation(name, recipe, False, {}, reason)
    return Installation(**known)


def python_of(name: str, cache: Path = CACHE) -> Path:
    """The interpreter of a peer's environment, ours for the project's."""
    if name == PROJECT:
        return Path(sys.executable)
    if sys.platform == "win32":
        return cache / name / "Scripts" / "python.exe"
    return cache / name / "bin" / "python"


def absence(name: str, cache: Path = CACHE) -> str:
    """Why a peer cannot take part; empty if it can."""
    return "" if name == PROJECT else installation_of(name, cache).reason


def _failure(command: list[str]) -> str:
    """The last thing the command complained of; empty if it succeeded."""
    try:
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60 * MINUTES)
    except subprocess.TimeoutExpired:
        return f"took more than {MINUTES} minutes: {' '.join(command[1:])}"
    if answer.returncode == 0:
        return ""
    complaints = [line.strip() for line in answer.stderr.splitlines() if not line.startswith("WARNING")]
    return last_sentence(complaints) or f"ended with {answer.returncode}"


def last_sentence(lines: list[str]) -> str:
    """The last line that says something: pip's own errors before its hints."""
    telling = [line for line in lines if line.startswith("ERROR")] or [line for line in lines if line]
    return telling[-1][:300] if telling else ""


def _versions(pip: list[str]) -> dict[str, str]:
    answer = subprocess.run([*pip, "list", "--format", "json"], capture_output=True, text=True, check=True)
    return {row["name"]: row["version"] for row in json.loads(answer.stdout)}
