"""Writes the example report of the documentation, and its picture: what `wmil report` makes of four arms.

The locked first experiment, the same without its world model, and two baselines, over the same seeds; the first arm
logs attention and hidden features. The picture needs Chromium; without it, it is left as it was, and that is said.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from wmil_agents.reports.report import write_report
from wmil_agents.runs.run import run
from wmil_agents.runs.settings_sources import load_settings
from wmil_envs.seeding import spawn_seeds

DOCS = Path(__file__).parents[2] / "docs"
REPORT, PICTURE = DOCS / "static" / "example_report.html", DOCS / "images" / "report.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARMS = {
    "mvp": ["episodes={every: 8, attention: true, features: true, sample_every: 2}"],
    "rl_only": ["agent=rl_only"],
    "random": ["agent=random"],
    "kl_distill": ["agent=kl_distill"],
}
SIZE = (1280, 1480)
"""Of the picture, in pixels."""


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Trains, writes, prints what was written; returns it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8, help="runs of each arm (default 8)")
    parser.add_argument("--steps", type=int, default=400, help="steps of each (default 400)")
    parser.add_argument("--report", type=Path, default=REPORT, help="where to")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="of it")
    chosen = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as place:
        folders = []
        for name, overrides in ARMS.items():
            for seed in spawn_seeds(0, chosen.seeds):
                asked = [f"seed={seed}", f"total_steps={chosen.steps}", "evaluation.interval=8", "logging.interval=5"]
                settings = load_settings("mvp", [*asked, "env.arguments.info=full", *overrides])
                folders.append(run(settings, Path(place) / f"{name}-{seed}").folder)
        chosen.report.parent.mkdir(parents=True, exist_ok=True)
        write_report(folders, chosen.report)
    written = [chosen.report]
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        print("There is no picture of it: that needs Chromium")
    else:
        photograph(browser, chosen.report, chosen.picture)
        written.append(chosen.picture)
    print(
        shlex.join(
            ["python", "-m", "benchmarks.learning.example_report", *(sys.argv[1:] if arguments is None else arguments)]
        )
    )
    for file in written:
        print(f"  {file.name}")
    return written


def photograph(browser: str, page: Path, picture: Path) -> None:
    """The upper part of a page, as it looks in a window."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={SIZE[0]},{SIZE[1]}"]
    command = [browser, *flags, f"--screenshot={picture.absolute()}", page.absolute().as_uri()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
