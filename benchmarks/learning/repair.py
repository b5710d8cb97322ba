"""Does a surgeon that learns repair a damaged policy, and better than what needs no learning?

The study of `wmil surgery`, blind control included, and shorter ones of the other faults. Writes the tables and the
picture of the documentation page, and a CSV row for every operation. What is done is kept in a folder, so the same
command continues an interrupted one.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import ROOT
from wmil_agents.plots.repair_curve import draw_repair
from wmil_agents.studies.repair.arms import DEFAULT_ARMS
from wmil_agents.studies.repair.files import markdown, points, share_text, write_table
from wmil_agents.studies.repair.plan import plan_repairs
from wmil_agents.studies.repair.result import RepairResult
from wmil_agents.studies.repair.settings import RepairSettings
from wmil_agents.studies.repair.study import carry_out
from wmil_agents.surgeons.faults import FAULTS

MAIN_FAULT = "random_damage"
OTHER_FAULTS = tuple(name for name in FAULTS if name != MAIN_FAULT)
BLIND = "sac_shuffled"
OTHER_ARMS = ("sac", "es", "es40", "gradient40", "calibrate")
DOCS, ROWS = ROOT / "docs", ROOT / "benchmarks" / "results" / "repair.csv"


def repairs(
    fault: str, arms: Sequence[str], n_seeds: int, folder: Path, n_processes: int, settings: RepairSettings
) -> RepairResult:
    """The study of one fault."""
    plan = plan_repairs(arms, n_seeds, settings, folder / fault)
    return carry_out(
        plan, n_processes=n_processes, on_seed_end=lambda seed, failure: print(fault, seed, failure or "done")
    )


def faults_table(results: dict[str, RepairResult]) -> str:
    """What each arm regains of each fault, the mean over damages."""
    lines = [f"| fault | {' | '.join(OTHER_ARMS)} |", f"| --- |{' --- |' * len(OTHER_ARMS)}"]
    for fault, result in results.items():
        shares = {one.arm.name: share_text(one.regained) for one in result.arms}
        lines.append(f"| {fault} | {' | '.join(shares[name] for name in OTHER_ARMS)} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs, writes, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="surgeons of each arm (default 5)")
    parser.add_argument("--damages", type=int, default=40, help="test damages (default 40)")
    parser.add_argument("--train-edits", type=int, default=8_000, help="of a surgeon that learns (default 8,000)")
    parser.add_argument("--other-seeds", type=int, default=1, help="of the other faults (default 1; 0: none of them)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="seeds at a time (default: cores)")
    parser.add_argument("--out", type=Path, default=Path("runs/repair-benchmark"), help="what is done is kept there")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the tables and the picture are written")
    parser.add_argument("--rows", type=Path, default=ROWS, help="the CSV file")
    chosen = parser.parse_args(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    command = ["python", "-m", "benchmarks.learning.repair", *words]

    def asked(fault: str) -> RepairSettings:
        return RepairSettings(n_damages=chosen.damages, n_train_edits=chosen.train_edits, fault=fault)

    arms = [*DEFAULT_ARMS, BLIND]
    found = repairs(MAIN_FAULT, arms, chosen.seeds, chosen.out, chosen.processes, asked(MAIN_FAULT))
    text = markdown(found, command)
    tables = chosen.docs / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    (tables / "repair.md").write_text(text, encoding="utf-8")
    chosen.rows.parent.mkdir(parents=True, exist_ok=True)
    write_table(found, chosen.rows)
    with tempfile.TemporaryDirectory() as place:
        svg, _ = draw_repair(points(found), Path(place))
        (chosen.docs / "images").mkdir(exist_ok=True)
        (chosen.docs / "images" / svg.name).write_bytes(svg.read_bytes())
    print(text)
    if chosen.other_seeds:
        others = {
            fault: repairs(fault, OTHER_ARMS, chosen.other_seeds, chosen.out, chosen.processes, asked(fault))
            for fault in OTHER_FAULTS
        }
        text = faults_table(others)
        seeds = "one seed" if chosen.other_seeds == 1 else f"{chosen.other_seeds} seeds"
        text += f"\n{chosen.damages} test damages of each fault, {seeds}. Written by `{shlex.join(command)}`.\n"
        (tables / "repair_faults.md").write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
