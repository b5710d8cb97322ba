from __future__ import annotations

import csv
import importlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def figure(value: float, bound: float | None, better: str = "less") -> Any:
    return importlib.import_module("benchmarks.figure").Figure("speed", value, "us", bound, better)


@pytest.mark.parametrize(
    ("value", "bound", "better", "verdict"),
    [
        (6.0, 6.0, "less", "met"),
        (6.6, 6.0, "less", "missed by 10.0%"),
        (20.0, 20.0, "more", "met"),
        (15.0, 20.0, "more", "missed by 25.0%"),
        (15.0, None, "more", "for comparison"),
    ],
)
def test_a_figure_says_whether_its_bound_is_kept(value: float, bound: float | None, better: str, verdict: str) -> None:
    assert figure(value, bound, better).verdict == verdict


def test_a_figure_survives_its_row() -> None:
    one = figure(6.5, 6.0)
    assert type(one).from_dict(one.to_dict()) == one


def test_the_page_shows_bounds_first_and_what_is_for_comparison_after() -> None:
    table = importlib.import_module("benchmarks.table")
    page = table.page("Figures", ["Remark."], {"processor": "some"}, [figure(1.0, None), figure(12_345.0, 6.0)])
    bounded, others = page.split("## For comparison")
    assert "| speed | 12,345 us |  | <= 6 | missed by 205650.0% | n=1 |" in bounded
    assert "| speed | 1 us |  |  | for comparison | n=1 |" in others
    assert "- processor: some" in others


def test_what_takes_three_times_as_long_measures_so() -> None:
    measure = importlib.import_module("benchmarks.measure")

    def once() -> None:
        sum(range(2_000))

    def thrice() -> None:
        for _ in range(3):
            once()

    timings = measure.microseconds_per_call({"once": once, "thrice": thrice}, n_turns=5)
    assert len(timings["once"].turns) == 5
    assert 2.0 < measure.median_ratio(timings["thrice"], timings["once"]) < 4.5
    low, high = timings["once"].quartiles
    assert low <= timings["once"].median <= high


def test_only_cpu_time_is_counted() -> None:
    measure = importlib.import_module("benchmarks.measure")
    assert measure._seconds(lambda: time.sleep(0.02), 2) < 0.02


def test_every_program_can_be_imported_and_says_what_it_measures() -> None:
    programs = importlib.import_module("benchmarks.run").PROGRAMS
    for module in programs.values():
        program = importlib.import_module(module)
        assert callable(program.measure)
        assert program.__doc__


def test_the_short_form_writes_a_page_and_a_csv_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.run", "--only", "evaluation", "--results", str(tmp_path)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    page = (tmp_path / "README.md").read_text()
    assert page in answer.stdout
    assert "1,024 cells" in page
    assert "- commit: " in page
    with (tmp_path / "evaluation.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["value"]) > 0
    assert row["verdict"] in page


def test_a_program_that_fails_is_named_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = importlib.import_module("benchmarks.run")
    monkeypatch.setattr(run, "PROGRAMS", {"broken": "benchmarks.no_such_program"})
    monkeypatch.setattr(sys, "argv", ["run", "--results", str(tmp_path)])
    assert run.main() == 1
    assert "program failed: broken" in (tmp_path / "README.md").read_text()
    assert "benchmarks.no_such_program" in capsys.readouterr().err
