"""The locked first experiment with each component cut out, and the presets of the other worlds: what is reached?

Writes the two tables of the documentation page, medians with the range over the seeds, and prints them.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wmil_agents.evaluation.world_model_errors import WorldModelErrors
from wmil_agents.runs.run import run
from wmil_agents.runs.settings_sources import load_settings

TABLES = Path(__file__).parents[2] / "docs" / "tables"
ABLATIONS = ("none", "no_world_model", "random_policy", "shuffled_rewards", "no_baseline")
OTHER_PRESETS = ("sequence-next", "conditional")


class Outcome(NamedTuple):
    """What one run reached at its end."""

    success: float
    entropy: float
    skill: float
    failed: tuple[int, ...]
    """Numbers of the criteria that were not passed."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs, writes, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4, help="runs of each row (default 4)")
    parser.add_argument("--processes", type=int, default=1, help="processes to share them among (default 1)")
    parser.add_argument("--tables", type=Path, default=TABLES, help="folder to write to")
    chosen = parser.parse_args(arguments)

    rows = [("mvp", ablation) for ablation in ABLATIONS] + [(preset, "none") for preset in OTHER_PRESETS]
    jobs = [(preset, ablation, seed) for preset, ablation in rows for seed in range(chosen.seeds)]
    if chosen.processes == 1:
        outcomes = [outcome(*job) for job in jobs]
    else:
        with get_context("spawn").Pool(chosen.processes) as pool:
            outcomes = pool.starmap(outcome, jobs, chunksize=1)
    by_row = {row: outcomes[i * chosen.seeds : (i + 1) * chosen.seeds] for i, row in enumerate(rows)}
    command = shlex.join(
        ["python", "-m", "benchmarks.learning.locked_experiment", *(sys.argv[1:] if arguments is None else arguments)]
    )
    made_by = f"Median [least, most] of {chosen.seeds} seeds, written by `{command}`.\n"
    chosen.tables.mkdir(parents=True, exist_ok=True)
    for name, keys in (("ablations", rows[: len(ABLATIONS)]), ("other_worlds", rows[len(ABLATIONS) :])):
        text = table({words(*key): by_row[key] for key in keys}) + "\n" + made_by
        (chosen.tables / f"{name}.md").write_text(text, encoding="utf-8")
        print(text)


def outcome(preset: str, ablation: str, seed: int) -> Outcome:
    """One run, from `load_settings` to its verdict."""
    with tempfile.TemporaryDirectory() as folder:
        result = run(load_settings(preset, [f"ablation={ablation}", f"seed={seed}"]), Path(folder) / "run")
    evaluation = result.evaluation
    assert isinstance(evaluation.world_model, WorldModelErrors)
    failed = tuple(i for i, criterion in enumerate(result.verdict.criteria, 1) if not criterion.passed)
    skill = evaluation.world_model.mean.skill
    return Outcome(float(evaluation.success), float(evaluation.entropy), np.nan if skill is None else skill, failed)


def words(preset: str, ablation: str) -> str:
    """The command that a row stands for."""
    return f"`wmil train {preset}`" if ablation == "none" else f"`wmil train {preset} --set ablation={ablation}`"


def table(by_command: dict[str, list[Outcome]]) -> str:
    """Markdown, one row per command."""
    lines = [
        "| command | success | entropy | world-model skill | criteria not passed |",
        "|---|---|---|---|---|",
    ]
    for command, outcomes in by_command.items():
        figures = [spread([getattr(one, name) for one in outcomes]) for name in ("success", "entropy", "skill")]
        failures = sorted({one.failed for one in outcomes})
        said = "; ".join(
            f"{', '.join(map(str, failed)) or 'none'} ({sum(one.failed == failed for one in outcomes)} seeds)"
            for failed in failures
        )
        lines.append(f"| {command} | {' | '.join(figures)} | {said} |")
    return "\n".join(lines) + "\n"


def spread(values: Sequence[float]) -> str:
    """Median [least, most]."""
    return f"{np.median(values):.3f} [{min(values):.3f}, {max(values):.3f}]"


if __name__ == "__main__":
    main()
