import math
import sys
from pathlib import Path

import numpy as np
import pytest

from wmil_agents.plots.learning_curve import Curve, draw_learning_curve, draw_run

pytest.importorskip("matplotlib")

STEPS = [0.0, 10.0, 20.0]


def metrics(success: list[float]) -> dict[str, list[float]]:
    constant = {"random_success": 0.125, "success_ceiling": 1.0, "max_entropy": 2.08, "optimal_return": 1.0}
    return {
        "step": STEPS,
        "success": success,
        "return": success,
        "entropy": [2.0, 1.0, 0.5],
        "world_model_skill": [-0.4, 0.3, 0.9],
        **{name: [value] * 3 for name, value in constant.items()},
    }


def test_a_curve_is_the_median_with_quartiles() -> None:
    curve = Curve(np.array([0.0]), np.array([[1.0], [2.0], [3.0], [4.0], [10.0]]))
    assert curve.median.tolist() == [3.0]
    assert [bound.tolist() for bound in curve.quartiles] == [[2.0], [4.0]]


def test_both_pictures_are_drawn_with_named_floors_and_ceilings(tmp_path: Path) -> None:
    runs = [metrics([0.1, 0.6, 1.0]), metrics([0.1, 0.5, 0.9])]
    svg, png = draw_learning_curve(runs, tmp_path / "curve", title="Two runs")
    text = svg.read_text(encoding="utf-8")
    for word in ("Two runs", "chance (0.125)", "best possible (1)", "uniform (2.08)", "looks at nothing", "Entropy"):
        assert word in text
    assert png.read_bytes().startswith(b"\x89PNG")


def test_the_interval_of_estimates_is_shaded(tmp_path: Path) -> None:
    exact = metrics([0.1, 0.6, 1.0])
    estimated = exact | {"success_low": [0.0, 0.5, 0.9], "success_high": [0.2, 0.7, 1.0]}
    unknown = exact | {"success_low": [math.nan] * 3, "success_high": [math.nan] * 3}
    n_areas = [
        draw_learning_curve([run], tmp_path / "curve")[0].read_text(encoding="utf-8").count("PolyCollection_")
        for run in (exact, unknown, estimated)
    ]
    assert n_areas == [0, 0, 1]


def test_the_same_runs_give_the_same_picture(tmp_path: Path) -> None:
    runs = [metrics([0.1, 0.6, 1.0])]
    one, two = (draw_learning_curve(runs, tmp_path / name)[0].read_bytes() for name in ("a", "b"))
    assert one == two


def test_what_was_not_measured_is_not_drawn(tmp_path: Path) -> None:
    run = metrics([float("nan")] * 3) | {"return": [1.0, 5.0, 9.0]}
    del run["world_model_skill"]
    text = draw_learning_curve([run], tmp_path / "curve")[0].read_text(encoding="utf-8")
    assert "Return" in text
    assert "Success" not in text
    assert "Skill" not in text


def test_runs_evaluated_at_different_steps_have_no_common_curve(tmp_path: Path) -> None:
    other = metrics([0.1, 0.6, 1.0]) | {"step": [0.0, 11.0, 20.0]}
    with pytest.raises(ValueError, match="different steps"):
        draw_learning_curve([metrics([0.1, 0.6, 1.0]), other], tmp_path / "curve")
    with pytest.raises(ValueError, match="at least one run"):
        draw_learning_curve([], tmp_path / "curve")


def test_a_run_folder_gets_its_curve(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,success,return,entropy\n0,0.1,0.1,2\n8,0.3,0.3,1.5\n", encoding="utf-8")
    assert [file.name for file in draw_run(tmp_path)] == ["curve.svg", "curve.png"]


def test_drawing_leaves_the_users_figures_alone(tmp_path: Path) -> None:
    draw_learning_curve([metrics([0.1, 0.6, 1.0])], tmp_path / "curve")
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
