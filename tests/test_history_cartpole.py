from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.learning.history_cartpole")


def test_a_learner_got_there_at_the_first_evaluation_that_counts_as_solved(program: Any) -> None:
    run = [program.Point(0, 20.0, 0.0), program.Point(100, 480.0, 1.5), program.Point(200, 300.0, 3.0)]
    slower = [program.Point(0, 20.0, 0.0), program.Point(100, 474.9, 2.5), program.Point(200, 475.0, 5.0)]
    unsolved = [program.Point(0, 20.0, 0.0), program.Point(100, 30.0, 1.0), program.Point(200, 40.0, 2.0)]
    assert program.first_solved(run).step == 100
    assert program.first_solved(unsolved) is None
    *_, row, hopeless = program.learners_table({"ours": [run, slower], "theirs": [unsolved]}).splitlines()
    assert row == "| ours | 2 of 2 | 1 of 2 | 150 [100, 200] | 3.2 [1.5, 5.0] | 4.0 [3.0, 5.0] |"
    assert hopeless == "| theirs | 0 of 1 | 0 of 1 | - | - | 2.0 [2.0, 2.0] |"
    assert program.seeds_table({"ours": [run]}).splitlines()[-1] == "| ours | 0 | 480 | 300 |"


def test_evaluations_cost_no_time_and_come_at_every_interval(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "N_EPISODES", 8)
    (points,) = [program.peer(512)(0, 256)]
    assert [point.step for point in points] == [0, 256, 512]
    assert 0.0 <= points[0].seconds < points[1].seconds < points[2].seconds


def test_the_page_includes_what_the_program_writes(
    program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "VARIANTS", ())
    monkeypatch.setattr(program, "N_EPISODES", 8)
    program.main(["--seeds", "1", "--steps", "256", "--interval", "256", "--tables", str(tmp_path)])
    page = (ROOT / "docs" / "history.md").read_text(encoding="utf-8")
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["history_learners.md", "history_seeds.md"]
    assert all(f"tables/{name}" in page for name in written)
