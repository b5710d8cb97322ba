from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def by_name(figures: list[Any]) -> dict[str, Any]:
    return {figure.name: figure for figure in figures}


def test_what_each_run_did_is_written_to_the_folder_that_is_named_and_bounds_are_those_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = importlib.import_module("benchmarks.learning_figures")
    one_run = importlib.import_module("benchmarks.learning.pattern_echo").Run

    def all_runs(n_seeds: int, n_hold_seeds: int, scale: float | None) -> Any:
        steps = 184 if scale is None else 192
        return [one_run(seed, steps, 0.96, {}) for seed in range(n_seeds)], [one_run(0, steps, 0.97, {})] * n_hold_seeds

    monkeypatch.setattr(program, "all_runs", all_runs)
    figures = by_name(program.measure(True, tmp_path))
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["pattern_echo_steps.csv", "pattern_echo_steps_world_model.csv"]
    assert [file.read_text().splitlines()[1] for file in files] == ["to_95,0,184,0.96", "to_95,0,192,0.96"]
    verdicts = {
        learner: figures[f"PatternEcho, {learner}: upper 95 % bootstrap limit of that median"].verdict
        for learner in ("policy alone", "world model attached")
    }
    assert verdicts == {"policy alone": "met", "world model attached": "missed by 1.1%"}
    program.measure(True)
    assert len(list(tmp_path.iterdir())) == 2


def test_event_replay_is_held_to_bounds_of_its_own() -> None:
    program = importlib.import_module("benchmarks.learning.event_replay")
    figures = program.step_figures([104.0] * 19 + [400.0], short=True)
    assert [(figure.bound, figure.verdict) for figure in figures[1:]] == [(115.0, "met"), (200.0, "missed by 71.9%")]
    runs = {"event replay": [(104, 80.0), (104, 100.0), (104, 120.0)], "policy alone": [(184, 70.0)] * 3}
    timed, other = program.time_figures(runs)
    assert (timed.value, timed.bound, timed.verdict) == (100.0, 90.0, "missed by 11.1%")
    assert other.bound is None


def test_a_world_model_is_judged_at_every_attribute(monkeypatch: pytest.MonkeyPatch) -> None:
    program = importlib.import_module("benchmarks.learning.world_model_skill")
    monkeypatch.setattr(program, "STEPS", 64)
    known, fresh = (program.errors(0, one) for one in (program.PREDICTABLE, program.UNPREDICTABLE))
    assert set(known) == {"symbol", "last_action", "feedback"}
    assert known["symbol"].skill < 0.9  # 64 steps are too few
    assert fresh["symbol"].skill is None  # nothing can be known
    assert fresh["symbol"].floor == pytest.approx(7 / 64)


def test_the_figures_of_a_world_model_are_its_worst_attribute_and_its_excess_over_the_floor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = importlib.import_module("benchmarks.learning.world_model_skill")
    error = program.PredictionError

    def errors(seed: int, env_arguments: Any) -> Any:
        if env_arguments:
            return {"symbol": error(0.22, 0.2, 0.2, 0.2)}
        return {"symbol": error(0.0, 0.0, 0.1, 0.0), "feedback": error(0.002, 0.0, 0.1, 0.0)}

    monkeypatch.setattr(program, "errors", errors)
    skill, excess = program.measure(True)
    assert (skill.value, skill.verdict) == (pytest.approx(0.98), "missed by 1.0%")
    assert excess.value == pytest.approx(0.1)
    assert excess.verdict == "missed by 100.0%"


def test_a_seed_that_never_solved_cartpole_counts_with_all_of_its_steps() -> None:
    program = importlib.import_module("benchmarks.learning.cartpole_figures")
    point = importlib.import_module("benchmarks.learning.history_cartpole").Point
    solved = [point(0, 20.0, 0.0), point(8_192, 480.0, 1.5)]
    unsolved = [point(0, 20.0, 0.0), point(8_192, 30.0, 2.0), point(16_384, 40.0, 3.5)]
    share, steps, seconds = program.of_runs("ours", [solved, unsolved], has_bound=True, short=True)
    assert (share.value, share.verdict) == (0.5, "missed by 50.0%")
    assert (steps.value, steps.low, steps.high) == (12_288, 8_192, 16_384)
    assert (seconds.value, seconds.low, seconds.high) == (2.5, 1.5, 3.5)
    theirs, *_ = program.of_runs("theirs", [unsolved], has_bound=False, short=True)
    assert theirs.verdict == "for comparison"


def test_a_learner_of_cartpole_stops_when_it_is_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    program = importlib.import_module("benchmarks.learning.history_cartpole")
    monkeypatch.setattr(program, "N_EPISODES", 8)
    monkeypatch.setattr(program, "SOLVED", 1.0)  # so at the first evaluation
    assert [point.step for point in program.peer(1_024, until_solved=True)(0, 512)] == [0]
    assert [point.step for point in program.peer(1_024)(0, 512)] == [0, 512, 1_024]


def test_the_top_levels_are_those_that_ask_most() -> None:
    program = importlib.import_module("benchmarks.learning.top_levels")
    assert [name.partition(",")[0] for name, *_ in program.TOP_LEVELS] == ["SequenceNext", "Conditional"]
    told = program.references("wmil_envs:WMIL/PatternEcho-v0", {"n_symbols": 4}, True)
    failures, paid = (float(part.rpartition(": ")[2]) for part in told.split(", "))
    assert failures < paid


def test_learning_tests_that_fail_are_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = importlib.import_module("benchmarks.learning.learning_tests")
    file = tmp_path / "test_scripted.py"
    file.write_text("def test_twenty_seeds_pass(): pass\ndef test_another(): assert False\n")
    monkeypatch.setattr(program, "TESTS", str(file))
    (figure,) = program.measure(True)
    assert figure.value > 0
    assert figure.note.startswith("1 test")
    file.write_text("def test_twenty_seeds_pass(): assert False\n")
    with pytest.raises(RuntimeError, match="1 failed"):
        program.measure(True)
    file.write_text("def test_another(): pass\n")
    with pytest.raises(RuntimeError, match="deselected"):
        program.measure(True)
