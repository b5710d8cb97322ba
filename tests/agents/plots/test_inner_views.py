from pathlib import Path

import numpy as np
import pytest

from wmil_agents.plots.inner_views import attention_view, feature_view
from wmil_agents.plots.run_figure import draw_figure
from wmil_agents.reports.report import write_report
from wmil_agents.runs.episodes import read_episodes
from wmil_agents.runs.recorded_arm import RecordedArm, group_runs
from wmil_agents.runs.recorded_run import read_run
from wmil_agents.runs.run import run
from wmil_agents.runs.settings_sources import load_settings

LOGGED = ["episodes={every: 1, attention: true, features: true, sample_every: 4}"]
SHORT = [
    "total_steps=320",
    "evaluation.interval=160",
    "policy.width=16",
    "env={id: WMIL/Conditional-v0, arguments: {}}",
]


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> RecordedArm:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(load_settings("mvp", [*SHORT, *LOGGED]), folder)
    (found,) = group_runs([read_run(folder)])
    return found


def test_attention_is_that_of_the_last_step_with_the_way_there(arm: RecordedArm) -> None:
    view = attention_view(arm)
    assert view is not None
    assert view.tokens == ("query", "shape", "count", "colour", "last_action", "feedback")
    steps, samples = read_episodes(arm.runs[0].folder).columns("sample_steps", "sample_attention")
    np.testing.assert_allclose(view.weights, samples[steps == steps.max()].astype(float).mean(axis=(0, 2)), atol=1e-6)
    assert view.steps == tuple(np.unique(steps).tolist())
    assert 0.0 < view.entropies[0] <= np.log(4), "four tokens are there when an answer is given"
    assert view.emergence.start == view.entropies[0]


def test_features_lie_in_the_plane_that_holds_most_of_their_variance(arm: RecordedArm) -> None:
    view = feature_view(arm)
    assert view is not None
    assert set(view.labels) == set(view.probes) == {"shape", "count", "colour"}
    assert set(view.labels["shape"]) <= {"circle", "square"}
    assert view.points.shape == (len(view.labels["shape"]), 2)
    first, second = view.shares
    assert 1.0 >= first >= second > 0.0
    np.testing.assert_allclose(view.points.var(axis=0)[1] / view.points.var(axis=0)[0], second / first, rtol=1e-6)


def test_both_are_in_the_report_and_drawn_as_figures(arm: RecordedArm, tmp_path: Path) -> None:
    write_report([arm.runs[0].folder], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for words in (
        "Inside the policy",
        "Attention, layer 2",
        "Hidden features by shape",
        ">last_action</text>",
        "shuffled",
    ):
        assert words in page
    pytest.importorskip("matplotlib")
    for name in ("attention", "embedding"):
        draw_figure([arm], name, tmp_path / f"{name}.svg")
    assert "Layer 2" in (tmp_path / "attention.svg").read_text(encoding="utf-8")
    assert "By shape" in (tmp_path / "embedding.svg").read_text(encoding="utf-8")
