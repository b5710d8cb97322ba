from pathlib import Path

import pytest

from wmil_agents.plots.comparison_curve import draw_comparison
from wmil_agents.runs.arm import parse_arms
from wmil_agents.runs.comparison import Comparison, compare
from wmil_agents.runs.comparison_plan import plan_comparison
from wmil_agents.runs.metrics import MetricsFile
from wmil_agents.runs.run_files import DONE, METRICS, VERDICT
from wmil_agents.runs.run_folder import begin_folder

pytest.importorskip("matplotlib")

SEEDS = [0, 1, 2]


def comparison(folder: Path, *texts: str) -> Comparison:
    """Of finished runs with made-up scores."""
    arms = parse_arms(texts, ["policy.width=16", "policy.n_layers=1"])
    for run in plan_comparison(arms, SEEDS, folder).runs:
        begin_folder(run.folder, run.settings)
        metrics = MetricsFile(run.folder / METRICS)
        for step in (0, 40, 80):
            score = step / 100 + 0.01 * run.seed
            metrics.write({"step": step, "success": score, "success_low": None, "return": score, "return_low": None})
        metrics.close()
        for name in (VERDICT, DONE):
            (run.folder / name).write_text("{}")
    return compare(arms, SEEDS, folder)


def test_every_arm_is_named_with_its_mark_beside_floor_and_ceiling(tmp_path: Path) -> None:
    svg, png = draw_comparison(comparison(tmp_path, "mvp", "mvp:agent=random", "mvp:agent=kl_distill"))
    text = svg.read_text(encoding="utf-8")
    for words in (
        ">mvp<",
        ">mvp:agent=random<",
        ">mvp:agent=kl_distill (uses a teacher)<",
        "floor (0.125)",
        "ceiling (1)",
        "median of 3 seeds, 95 % bootstrap interval",
        "environment steps",
        ">Success<",
    ):
        assert words in text
    assert text.count("PolyCollection_") == 3
    assert png.read_bytes().startswith(b"\x89PNG")
    assert (svg.name, png.name) == ("comparison.svg", "comparison.png")


def test_only_an_arm_that_is_told_more_is_dashed(tmp_path: Path) -> None:
    def n_dashed(folder: Path, *texts: str) -> int:
        return draw_comparison(comparison(folder, *texts))[0].read_text(encoding="utf-8").count("stroke-dasharray")

    plain, marked = n_dashed(tmp_path / "a", "mvp", "mvp"), n_dashed(tmp_path / "b", "mvp", "mvp:agent=kl_distill")
    assert marked == plain + 2  # the line, and its sample in the legend


def test_the_same_comparison_gives_the_same_picture(tmp_path: Path) -> None:
    made = comparison(tmp_path, "mvp", "mvp")
    assert draw_comparison(made)[0].read_bytes() == draw_comparison(made)[0].read_bytes()
