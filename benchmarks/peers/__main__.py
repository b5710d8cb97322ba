"""Installs the peers and measures them side by side with ours."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.peers.comparison import compare_environments, compare_learners
from benchmarks.peers.installation import absence, install
from benchmarks.peers.peer import PEERS
from benchmarks.peers.report import write
from benchmarks.readme import write_readme
from benchmarks.results_folder import LATEST, keep, note_run

TABLES = ("environments", "learning")


def main() -> int:
    """Runs one of the subcommands."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    installing = commands.add_parser("install", help="make their virtual environments, in .peers/")
    installing.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)} (default: all)")
    commands.add_parser("list", help="say what is installed")
    running = commands.add_parser("run", help="measure, and write tables, versions and a plot")
    running.add_argument("--short", action="store_true", help="fewer turns and seeds")
    running.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), help="some tables")
    running.add_argument("--results", type=Path, help="write there alone, not into a dated folder and latest/")
    chosen = parser.parse_args()
    if chosen.command == "install":
        unknown = set(chosen.peers) - set(PEERS)
        if unknown:
            parser.error(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
        return install_all(chosen.peers or list(PEERS))
    if chosen.command == "list":
        for name in PEERS:
            print(f"{name}: {absence(name) or 'ready'}")
        return 0
    run(chosen.short, chosen.only, chosen.results)
    return 0


def install_all(names: list[str]) -> int:
    """Installs one after the other; 1 if one of them cannot be used."""
    reasons = {}
    for name in names:
        print(f"{name} ...", flush=True)
        reasons[name] = install(PEERS[name]).reason
        print(f"{name}: {reasons[name] or 'ready'}", flush=True)
    return 1 if any(reasons.values()) else 0


def run(short: bool, tables: list[str], results: Path | None) -> None:
    """Measures and writes."""
    folder = results or LATEST
    folder.mkdir(parents=True, exist_ok=True)
    rates = compare_environments(short) if "environments" in tables else []
    lessons = compare_learners(short) if "learning" in tables else []
    options = [*(["--short"] if short else []), *(["--only", *tables] if len(tables) < len(TABLES) else [])]
    print(write(folder, rates, lessons, " ".join(["python -m benchmarks.peers run", *options])))
    note_run(folder, "peers", short=short)
    if results is None:
        kept = keep(folder.glob("peers*"), short)
        write_readme()
        print(f"Kept in {kept.name}/, and shown in the README")


if __name__ == "__main__":
    sys.exit(main())
