import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from wmil_agents.plots.learning_curve import draw_run

pytest.importorskip("matplotlib")


@pytest.fixture
def made_up_run(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))
    return importlib.import_module("benchmarks.speed.reports").made_up_run


def test_both_pictures_are_drawn_with_named_floors_and_ceilings(made_up_run: Any, tmp_path: Path) -> None:
    svg, png = draw_run(made_up_run(tmp_path / "my-run", n_points=5))
    assert (svg.name, png.name) == ("curve.svg", "curve.png")
    text = svg.read_text(encoding="utf-8")
    for word in ("my-run", "chance (0.125)", "best possible (1)", "uniform (2.08)", "looks at nothing", "Entropy"):
        assert word in text
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_run_that_is_told_more_is_marked_and_dashed(made_up_run: Any, tmp_path: Path) -> None:
    text = draw_run(made_up_run(tmp_path / "run", ["agent=kl_distill"], n_points=5))[0].read_text(encoding="utf-8")
    assert "run (uses a teacher)" in text


def test_the_interval_of_estimates_is_shaded(made_up_run: Any, tmp_path: Path) -> None:
    exact = made_up_run(tmp_path / "exact", n_points=5)
    estimated = made_up_run(tmp_path / "estimated", n_points=5, success_low=0.1, success_high=0.9)
    n_areas = [draw_run(run)[0].read_text(encoding="utf-8").count("FillBetween") for run in (exact, estimated)]
    assert n_areas == [0, 1]


def test_the_same_run_gives_the_same_picture(made_up_run: Any, tmp_path: Path) -> None:
    run = made_up_run(tmp_path / "run", n_points=5)
    one, two = (draw_run(run)[0].read_bytes() for _ in range(2))
    assert one == two


def test_what_was_not_measured_is_not_drawn(made_up_run: Any, tmp_path: Path) -> None:
    run = made_up_run(tmp_path / "run", n_points=5, success="", world_model_skill="")
    text = draw_run(run)[0].read_text(encoding="utf-8")
    assert "Return" in text
    assert "Success" not in text
    assert "Skill" not in text


def test_drawing_leaves_the_users_figures_alone(made_up_run: Any, tmp_path: Path) -> None:
    draw_run(made_up_run(tmp_path / "run", n_points=5))
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
