import math
from pathlib import Path

from wmil_agents.runs.metrics import MetricsFile
from wmil_agents.runs.metrics_columns import read_metrics


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    file = MetricsFile(path)
    file.write({"step": 0, "episodes": "exact", "success": 1 / 3, "success_low": None})
    file.write({"step": 8, "episodes": "exact", "success": 0.5, "success_low": None})
    columns = read_metrics(path)  # before it is closed: an interrupted run leaves its rows
    file.close()
    assert columns["step"] == [0.0, 8.0]
    assert columns["success"] == [1 / 3, 0.5]
    assert all(math.isnan(value) for value in columns["success_low"] + columns["episodes"])


def test_an_empty_file_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,success\n", encoding="utf-8")
    assert read_metrics(tmp_path / "metrics.csv") == {}
