from __future__ import annotations

import csv
import importlib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def repair(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.learning.repair")


def test_the_program_writes_tables_picture_and_rows(
    repair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wmil_agents.studies.repair.cases import Cases, write_cases
    from wmil_agents.studies.repair.plan import Plan
    from wmil_agents.studies.repair.study import read_result

    def made_up(plan: Plan, **others: Any) -> Any:
        for arm in plan.arms:
            for seed in plan.seeds:
                after = [0.6, 0.7 + 0.1 * seed]
                cases = Cases([1.0] * 2, [0.5] * 2, after, [True] * 2, [4] * 2, 10, 1.0, 0.01)
                write_cases(plan.file(arm, seed), arm.name, seed, plan.settings.of_arm(learns=arm.learns), cases)
        return read_result(plan)

    monkeypatch.setattr(repair, "carry_out", made_up)
    places = ["--out", str(tmp_path / "out"), "--docs", str(tmp_path / "docs"), "--rows", str(tmp_path / "rows.csv")]
    repair.main(["--seeds", "2", "--damages", "2", *places])
    text = (tmp_path / "docs" / "tables" / "repair.md").read_text()
    assert "| sac | 0.35 [" in text
    assert "| sac_shuffled | +0.00 [+0.00, +0.00] |" in text
    assert "python -m benchmarks.learning.repair --seeds 2" in text
    others = (tmp_path / "docs" / "tables" / "repair_faults.md").read_text()
    assert others.splitlines()[0] == "| fault | sac | es | es40 | gradient40 | calibrate |"
    for fault in repair.OTHER_FAULTS:
        assert f"| {fault} | 0.30 [" in others
    assert "random_damage" not in others
    assert "<svg" in (tmp_path / "docs" / "images" / "repair.svg").read_text()
    with (tmp_path / "rows.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 12 * 2 * 2
    assert "2 seeds" in capsys.readouterr().out
