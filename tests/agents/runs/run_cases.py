"""Short runs of every kind, and what two folders of one run must share."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings

SMALL = ["policy.width=16", "policy.n_layers=1", "checkpoints.interval=32", "logging.interval=3"]
CASES: dict[str, tuple[str, list[str]]] = {
    "mvp": ("mvp", ["total_steps=160", "learner.arguments.learning_rate=lin_0.7"]),
    "history-cartpole": (
        "history-cartpole",
        ["total_steps=768", "evaluation.interval=512", "evaluation.episodes=4", "learner.arguments.n_epochs=2"],
    ),
    "ppo": (
        "conditional",
        ["total_steps=256", "n_envs=8", "evaluation.interval=50", "learner.arguments.batch_size=16"],
    ),
    "a2c": (
        "mvp",
        ["total_steps=240", "learner={algorithm: A2C, arguments: {n_steps: 5, learning_rate: lin_0.001}}"],
    ),
    "curriculum": (
        "mvp",
        ["total_steps=160", "env.arguments={curriculum: {kind: mastery, window: 8}, info: full, group_size: 2}"],
    ),
    "events": ("mvp", ["total_steps=160", "learner.arguments={event_replay: true}", "episodes.every=3"]),
    "kl_distill": ("mvp", ["total_steps=160", "agent=kl_distill", "evaluation.interval=16"]),
    "shuffled_rewards": ("mvp", ["total_steps=160", "ablation=shuffled_rewards"]),
    "noisy": (
        "sequence-next",
        ["total_steps=160", "env.arguments={horizon: 3, dynamics: fresh, parent: {kind: noisy, flip: 0.1}}"],
    ),
}
_OF_THE_CLOCK = ("time/fps", "time/time_elapsed")
_OF_THE_PROCESS = {".lock", "continued.json", "versions.json", "failure.txt"}


def settings_of(case: str) -> Settings:
    """The settings of a case."""
    preset, overrides = CASES[case]
    return load_settings(preset, [*SMALL, *overrides])


def contents(folder: Path) -> dict[str, Any]:
    """What every file of a run holds, clocks and rates left out; checkpoints are not the run's result."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name.startswith("checkpoints/") or name in _OF_THE_PROCESS:
            continue
        if name == "train/progress.csv":
            rows = csv.DictReader(path.read_text().splitlines())
            found[name] = [{key: cell for key, cell in row.items() if key not in _OF_THE_CLOCK} for row in rows]
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def different(one: Path, other: Path) -> list[str]:
    """The files in which two folders of one run differ."""
    a, b = contents(one), contents(other)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
