"""What a run logs besides its metrics: progress.csv, TensorBoard, and stand-ins for W&B and trackio."""

from __future__ import annotations

import csv
import shutil
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wmil_agents.runs.evaluation_history import EvaluationHistory, read_history
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.progress_file import ProgressFile
from wmil_agents.runs.run import run
from wmil_agents.runs.run_stopped import RunStopped
from wmil_agents.runs.settings import Settings
from wmil_agents.runs.settings_sources import load_settings

SHORT = ["total_steps=48", "evaluation.interval=24", "policy.width=16", "policy.n_layers=1", "logging.interval=2"]


def short(*overrides: str) -> Settings:
    return load_settings("mvp", [*SHORT, *overrides])


class StandIn(ModuleType):
    """A module whose `init` tells how it was called, and whose run tells what it was given."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.asked: list[dict[str, Any]] = []
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.n_finished = 0

    def init(self, **arguments: Any) -> StandIn:
        self.asked.append(arguments)
        return self

    def log(self, numbers: dict[str, float], step: int) -> None:
        self.logged.append((step, numbers))

    def finish(self) -> None:
        self.n_finished += 1


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_tracker_gets_every_number_and_stays_on_this_machine(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = StandIn(name)
    monkeypatch.setitem(sys.modules, name, stand_in)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run(short(f"logging.{name}=true"), tmp_path / "mine")
    (asked,) = stand_in.asked
    assert (asked["project"], asked["name"]) == ("wmil", "mine")
    assert asked["config"]["total_steps"] == 48
    if name == "wandb":
        assert (asked["mode"], asked["dir"]) == ("offline", str(tmp_path / "mine/train"))
    else:
        assert "space_id" not in asked
    rows = list(csv.DictReader((tmp_path / "mine/train/progress.csv").read_text().splitlines()))
    assert [step for step, _ in stand_in.logged] == [int(row["time/total_timesteps"]) for row in rows] == [16, 32, 48]
    assert stand_in.logged[-1][1]["train/n_updates"] == float(rows[-1]["train/n_updates"])
    assert stand_in.n_finished == 1


@pytest.mark.parametrize(("name", "called"), [("wandb", "W&B"), ("trackio", "trackio")])
def test_a_missing_tracker_is_named_with_the_command(
    name: str, called: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wmil_agents.runs.trackers.find_spec", lambda _: None)
    with pytest.raises(InputError, match=rf"{called} is not installed: pip install 'wmil-agents\[{name}\]'"):
        run(short(f"logging.{name}=true"), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_shows_no_step_twice(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rollouts = iter(range(99))
    settings = short("logging.tensorboard=true", "logging.interval=1", "checkpoints.interval=16")
    with pytest.raises(RunStopped):
        run(settings, tmp_path, stop=lambda: "asked" if next(rollouts) == 4 else None)
    shutil.rmtree(tmp_path / "checkpoints/step-000000000032")  # so that two steps are taken again
    run(settings, tmp_path)
    events = EventAccumulator(str(tmp_path / "train"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/entropy_loss")] == [16, 24, 32, 40, 48]


def test_progress_is_whole_at_every_moment_and_its_columns_have_one_order(tmp_path: Path) -> None:
    path = tmp_path / "progress.csv"
    table = ProgressFile(path)
    table.write({"b": 1.5, "a": "x, y", "hidden": 3}, {"b": (), "a": (), "hidden": ("csv",)})
    table.write({"c": 2, "a": None, "b": 3}, {"c": (), "a": (), "b": ()})
    assert path.read_text() == 'a,b,c\n"x, y",1.5,\n,3,2\n'
    assert table.n_rows == 2
    table.close()
    continued = ProgressFile(path, 1)
    assert path.read_text() == 'a,b,c\n"x, y",1.5,\n'
    continued.write({"b": 4}, {"b": ()})
    continued.close()
    assert path.read_text() == 'a,b,c\n"x, y",1.5,\n,4,\n'


def test_evaluations_are_read_back_to_the_last_bit(tmp_path: Path) -> None:
    for place, overrides in enumerate((["policy.width=8"], ["history.length=2", "evaluation.episodes=4"])):
        folder = tmp_path / str(place)
        result = run(short(*overrides), folder)
        read = read_history(folder / "evaluations.jsonl")
        assert [one.step for one in read] == [0, 24, 48]
        for mine, theirs in zip(read, result.history, strict=True):
            assert repr(mine.evaluation.to_dict()) == repr(theirs.evaluation.to_dict())
            assert type(mine.evaluation.success) is type(theirs.evaluation.success)
        assert (tmp_path / str(place) / "evaluations.jsonl").read_text().count("optimal_actions") <= 1


@pytest.mark.parametrize("content", [b"{", b"[]\n", b'{"step": 1}\n', b"\xff\n"])
def test_evaluations_that_are_something_else_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "evaluations.jsonl").write_bytes(content)
    with pytest.raises(InputError, match="does not hold the evaluations of this run"):
        read_history(tmp_path / "evaluations.jsonl")
    with pytest.raises(InputError, match="a checkpoint counts on 99"):
        read_history(tmp_path / "evaluations.jsonl", 99)
    history = EvaluationHistory(tmp_path / "empty.jsonl")
    assert history.n_bytes == 0
    history.close()
