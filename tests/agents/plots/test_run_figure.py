import importlib
from pathlib import Path
from typing import Any

import pytest

from wmil_agents.plots.run_figure import FIGURES, draw_figure
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.recorded_arm import RecordedArm, group_runs
from wmil_agents.runs.recorded_run import read_run

pytest.importorskip("matplotlib")
STARTS = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}


@pytest.fixture
def arms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RecordedArm]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))
    benchmark: Any = importlib.import_module("benchmarks.speed.reports")
    folders = [
        benchmark.made_up_run(tmp_path / f"{agent}-{seed}", [f"agent={agent}"], seed, 10)
        for agent in ("learner", "kl_distill")
        for seed in range(3)
    ]
    return group_runs([read_run(folder) for folder in folders])


@pytest.mark.parametrize("ending", STARTS)
def test_each_kind_of_file_is_written_and_twice_the_same(arms: list[RecordedArm], ending: str, tmp_path: Path) -> None:
    one, two = tmp_path / f"one{ending}", tmp_path / f"two{ending}"
    for out in (one, two):
        draw_figure(arms, "score", out, title="A title")
    assert one.read_bytes().startswith(STARTS[ending])
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("learning-curve", ["Success", "Entropy of the policy", "Skill of the world model", "best possible (1)"]),
        ("world-model", ["symbol", "last_action", "feedback", "least error possible (1)"]),
        ("reward-components", ["Goal", "Prediction", "Consistency"]),
        ("levels", ["half", "all", "dashed: chance and best possible"]),
    ],
)
def test_a_figure_shows_what_it_says(arms: list[RecordedArm], name: str, words: list[str], tmp_path: Path) -> None:
    draw_figure(arms, name, tmp_path / "figure.svg")
    text = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    for word in [*words, "mvp:agent=kl_distill (uses a teacher)"]:
        assert word in text


@pytest.mark.parametrize("name", ["attention", "embedding"])
def test_what_was_not_sampled_cannot_be_drawn(arms: list[RecordedArm], name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"sampled: train with episodes.every=1 and episodes.{name[0]}|features"):
        draw_figure(arms, name, tmp_path / "figure.svg")


def test_an_unknown_figure_or_kind_of_file_is_refused(arms: list[RecordedArm], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'levels'"):
        draw_figure(arms, "level", tmp_path / "figure.svg")
    with pytest.raises(InputError, match="ends otherwise"):
        draw_figure(arms, "levels", tmp_path / "figure.gif")
    with pytest.raises(InputError, match="cannot be written"):
        draw_figure(arms, "levels", tmp_path / "nowhere" / "figure.svg")


def test_the_help_names_every_figure() -> None:
    from wmil_agents.cli.report_commands import PLOT_HELP

    assert [line.split()[0] for line in PLOT_HELP.splitlines() if line.startswith("  ")] == list(FIGURES)
