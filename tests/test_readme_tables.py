from __future__ import annotations

import csv
import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LATEST = ROOT / "benchmarks" / "results" / "latest"
README = ROOT / "README.md"


@pytest.fixture
def readme(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.readme")


def test_the_readme_shows_what_the_committed_results_say(readme: Any) -> None:
    text = README.read_text(encoding="utf-8")
    assert readme.with_tables(text, LATEST) == text, "run `python -m benchmarks.readme`"


def test_other_results_give_another_readme(readme: Any, tmp_path: Path) -> None:
    shutil.copytree(LATEST, tmp_path / "latest")
    learning = tmp_path / "latest" / "peers_learning.csv"
    rows = learning.read_text(encoding="utf-8").splitlines()
    learning.write_text("\n".join(rows[:-1]) + "\n", encoding="utf-8")
    own = tmp_path / "README.md"
    shutil.copy(README, own)
    readme.write_readme(own, tmp_path / "latest")
    last = next(csv.DictReader([rows[0], rows[-1]]))["name"]
    times = [
        text.count(f"| {last} |") for text in (README.read_text(encoding="utf-8"), own.read_text(encoding="utf-8"))
    ]
    assert times == [times[1] + 1, times[1]]
    assert own.read_text(encoding="utf-8").splitlines()[0] == "# WMIL"


def test_where_ours_loses_the_table_says_so(readme: Any) -> None:
    lesson = importlib.import_module("benchmarks.peers.comparison").Lesson
    head = ("PatternEcho", "wmil_envs:WMIL/PatternEcho-v0", 10_000)
    spread: dict[str, Any] = {
        "steps_low": 90.0,
        "steps_high": 300.0,
        "worst": 400.0,
        "seconds_low": 0.1,
        "seconds_high": 0.3,
    }
    ratios = {"steps_ratio": 2.0, "seconds_ratio": 0.5}
    ours = lesson(*head, "ours", "project", True, 3, 3, "{}", steps=100.0, seconds=0.2, **spread)
    quicker = lesson(*head, "theirs", "sb3", False, 3, 2, "{}", steps=200.0, seconds=0.1, **ratios, **spread)
    rows = readme.lessons_table([ours, quicker]).splitlines()
    assert rows[2] == "| **ours** | 100 | 90 - 300 | 400 | 3 of 3 | 0.2 | 0.1 - 0.3 |  |  |"
    assert rows[3] == "| theirs | 200 | 90 - 300 | 400 | 2 of 3 | 0.1 | 0.1 - 0.3 | 2 x | 0.5 x (**ours loses**) |"


def test_a_bound_that_is_missed_is_named(readme: Any) -> None:
    figure = importlib.import_module("benchmarks.figure").Figure
    told = readme.bounds([figure("quick", 5.0, "us", 6.0), figure("slow", 9.0, "us", 6.0), figure("free", 9.0, "us")])
    assert "1 of 2 figures meet" in told
    assert "- slow: missed by 50.0%\n" in told
    assert "quick" not in told


def test_a_slower_machine_is_told_beside_the_bounds(readme: Any, tmp_path: Path) -> None:
    pace = importlib.import_module("benchmarks.pace")
    write_csv = importlib.import_module("benchmarks.table").write_csv
    figure = importlib.import_module("benchmarks.figure").Figure
    for name, microseconds in (("reference", 40.0), ("slow", 100.0)):
        write_csv(tmp_path / name / f"{pace.PROGRAM}.csv", [figure(f"{pace.YARDSTICK}, 64 envs", microseconds, "us")])
    assert "(an unknown machine)" in pace.pace(tmp_path / "slow", tmp_path / "reference")
    (tmp_path / "slow" / "runs.json").write_text('{"environments": {"processor": "an old one"}}')
    told = pace.pace(tmp_path / "slow", tmp_path / "reference")
    assert "takes 2.5 to 2.5 times as long here (an old one)" in told
    assert pace.pace(tmp_path, tmp_path / "reference") == ""


def test_a_readme_without_a_place_for_the_tables_is_refused(readme: Any) -> None:
    with pytest.raises(ValueError, match="no place for the tables"):
        readme.with_tables("# WMIL\n", LATEST)
