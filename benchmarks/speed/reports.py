"""What a report of 20 runs with 1,000 evaluations each costs: seconds of the whole command, and bytes."""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.figure import Figure
from benchmarks.program import run_program
from wmil_agents.runs.run_files import LEVELS, METRICS, PROGRESS, SETTINGS, TRAIN, VERDICT, VERSIONS
from wmil_agents.runs.settings_sources import load_settings

N_SEEDS, N_POINTS = 5, 1_000
ARMS: dict[str, list[str]] = {
    "mvp": [],
    "narrow": ["policy.width=32"],
    "rl_only": ["agent=rl_only"],
    "taught": ["agent=kl_distill"],
}
SECONDS, MEGABYTES = 3.0, 1.0
ATTRIBUTES = ("symbol", "last_action", "feedback")


def measure(short: bool) -> list[Figure]:
    """All figures of this program."""
    n_turns = 3 if short else 11
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, overrides in ARMS.items():
            for seed in range(N_SEEDS):
                made_up_run(folder / name / str(seed), overrides, seed, N_POINTS)
        out = folder / "report.html"
        program = "import sys; from wmil_agents.cli.main import app; app(sys.argv[1:])"
        command = [sys.executable, "-c", program, "report", str(folder), "--out", str(out)]
        cpu, wall = [], []
        for _ in range(n_turns):
            before, started = os.times(), time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            wall.append(time.perf_counter() - started)
            after = os.times()
            cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
        megabytes = out.stat().st_size / 1e6
    name = f"report of {len(ARMS) * N_SEEDS} runs with {N_POINTS:,} evaluations each"
    return [
        Figure(f"{name}, the whole command", statistics.median(cpu), "s", SECONDS, repeats=n_turns),
        Figure(
            f"{name}, the whole command, wall time", statistics.median(wall), "s", repeats=n_turns, note="wall time"
        ),
        Figure(f"{name}, its size", megabytes, "MB", MEGABYTES),
    ]


def made_up_run(folder: Path, overrides: Sequence[str] = (), seed: int = 0, n_points: int = 50, **columns: Any) -> Path:
    """A run's folder with figures that nobody measured, for reports to be tried on.

    Args:
        folder: where to.
        overrides: of the preset `mvp`.
        seed: of the figures, and of the run.
        n_points: how many evaluations.
        **columns: of metrics.csv, each a number or (n_points,) of them, in place of the made-up ones or besides.
    """
    settings = load_settings("mvp", [*overrides, f"seed={seed}", f"total_steps={40 * n_points}"])
    rng = np.random.default_rng([seed, len(" ".join(overrides))])
    steps = np.arange(n_points) * 40
    success = np.clip(1.0 - 0.875 * np.exp(-6.0 * steps / steps[-1] * rng.uniform(0.6, 1.4)), 0.0, 1.0)
    success = np.clip(success + rng.normal(0.0, 0.01, n_points), 0.0, 1.0)
    made: dict[str, Any] = {"step": steps, "episodes": "exact", "success": success, "return": success}
    made |= {f"{name}_{end}": "" for name in ("success", "return", "entropy") for end in ("low", "high")}
    made |= {"entropy": 2.079 * (1.0 - success), "success_ceiling": 1.0, "max_entropy": 2.079, "random_success": 0.125}
    made |= {"random_return": 0.125, "memoryless_return": 1.0, "optimal_return": 1.0}
    for suffix in ("", *(f"/{name}" for name in ATTRIBUTES)):
        skill = success * rng.uniform(0.7, 1.0)
        made |= {f"world_model_skill{suffix}": skill, f"world_model_error{suffix}": 0.09 * (1.0 - skill)}
        made |= {f"world_model_floor{suffix}": 0.0, f"world_model_mean_error{suffix}": 0.09}
        made |= {f"world_model_on_policy_error{suffix}": 0.05 * (1.0 - skill)}
    components = {f"reward/{name}": success * rng.uniform(0.8, 1.0) for name in ("goal", "pred", "cons")}
    (folder / TRAIN).mkdir(parents=True)
    (folder / SETTINGS).write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))
    write_columns(folder / METRICS, made | columns, n_points)
    write_columns(folder / TRAIN / PROGRESS, {"time/total_timesteps": steps, **components}, n_points)
    criterion = {"statement": "success above chance (0.125)", "value": float(success[-1]), "threshold": 0.375}
    criterion |= {"floor": 0.125, "ceiling": 1.0, "passed": bool(success[-1] > 0.375), "note": "made up"}
    write(folder / VERDICT, {"reached": criterion["passed"], "mark": "", "criteria": [criterion]})
    write(folder / VERSIONS, {"python": "3.11", "torch": "2.8", "git": None, "seed": seed, "command": "wmil train mvp"})
    exact = {"kind": "exact", "value": float(success[-1])}
    level = {"success": exact, "success_ceiling": {"kind": "exact", "value": 1.0}}
    level |= {"oracle": {"random_success": {"kind": "exact", "value": 0.125}}}
    write(folder / LEVELS, {"trained": 1, "levels": [{"name": "half", **level}, {"name": "all", **level}]})
    return folder


def write(path: Path, document: Any) -> None:
    """A document as JSON."""
    path.write_text(json.dumps(document), encoding="utf-8")


def write_columns(path: Path, columns: dict[str, Any], n_rows: int) -> None:
    """Columns as CSV; a single value stands in every row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        full = [
            [value] * n_rows if isinstance(value, str) or np.ndim(value) == 0 else value for value in columns.values()
        ]
        writer.writerows(zip(*full, strict=True))


if __name__ == "__main__":
    run_program("benchmarks.speed.reports", measure, __doc__)
