import csv
import json
import multiprocessing
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from wmil_agents.runs.arm import Arm, parse_arms
from wmil_agents.runs.comparison import Comparison, RunEnd, carry_out, compare
from wmil_agents.runs.comparison_files import arm_rows, difference_rows, notes, write_comparison
from wmil_agents.runs.comparison_plan import default_comparison_folder, plan_comparison
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.metrics import MetricsFile
from wmil_agents.runs.metrics_columns import read_metrics
from wmil_agents.runs.processes import run_side_by_side
from wmil_agents.runs.run import run
from wmil_agents.runs.run_files import CONTINUED, DONE, FAILURE, METRICS, SETTINGS, VERDICT
from wmil_agents.runs.run_folder import begin_folder
from wmil_agents.runs.settings_sources import load_settings
from wmil_envs.seeding import spawn_seeds

TINY = ["total_steps=160", "evaluation.interval=40", "policy.width=16", "policy.n_layers=1"]
SEEDS = spawn_seeds(0, 6)


def tiny(*texts: str) -> list[Arm]:
    return parse_arms(texts, TINY)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two identical arms and a taught one, six seeds."""
    folder = tmp_path_factory.mktemp("comparison") / "c"
    arms = tiny("mvp", "mvp", "mvp:agent=kl_distill")
    comparison = compare(arms, SEEDS, folder, n_processes=2, command=["wmil", "compare"])
    write_comparison(comparison, ["wmil", "compare"])
    return comparison


Curve = list[float | tuple[float, float]]


def fabricate(folder: Path, arms: Sequence[Arm], seeds: Sequence[int], curve: Callable[[int, int], Curve]) -> None:
    """Folders of finished runs with made-up scores, every 40 steps: `curve(place of the arm, seed)`."""
    for run_ in plan_comparison(arms, seeds, folder, per_step=True).runs:
        begin_folder(run_.folder, run_.settings)
        metrics = MetricsFile(run_.folder / METRICS)
        for place, point in enumerate(curve(arms.index(run_.arm), run_.seed)):
            score, low = point if isinstance(point, tuple) else (point, None)
            names = ("success", "return")
            metrics.write(
                {"step": 40 * place, **dict.fromkeys(names, score), **dict.fromkeys((f"{n}_low" for n in names), low)}
            )
        metrics.close()
        for name in (VERDICT, DONE):
            (run_.folder / name).write_text("{}")


# ---- pairs


def test_two_identical_arms_differ_by_exactly_nothing(made: Comparison) -> None:
    same = [difference for difference in made.differences if difference.arm.name == "mvp (2)"]
    assert [difference.quantity for difference in same] == ["steps to the threshold", "success"]
    for difference in same:
        assert (float(difference.value), difference.value.interval) == (0.0, (0.0, 0.0))
        assert difference.answer == "no difference shown"


def test_every_arm_has_the_same_seeds_and_its_runs_are_those_of_the_library(made: Comparison, tmp_path: Path) -> None:
    for result in made.results:
        assert [outcome.seed for outcome in result.outcomes] == SEEDS
    single = run(made.plan.arms[0].with_seed(SEEDS[1]), tmp_path / "run")
    there = made.results[0].outcomes[1].folder
    assert (single.folder / METRICS).read_bytes() == (there / METRICS).read_bytes()


def test_another_arm_differs(made: Comparison) -> None:
    steps, success = (difference for difference in made.differences if "kl_distill" in difference.arm.name)
    assert success.answer == "better"
    assert float(success.value) > 0.0
    assert steps.quantity == "steps to the threshold"


def test_exchanged_arms_exchange_the_sign_and_nothing_else(made: Comparison) -> None:
    first, _, taught = made.plan.arms
    there = made.plan.folder
    back = carry_out(plan_comparison([taught, first], SEEDS, there))
    (forth,) = [d for d in made.differences if d.arm is taught and d.quantity == "success"]
    (reverse,) = [d for d in back.differences if d.quantity == "success"]
    assert float(reverse.value) == -float(forth.value)
    assert reverse.value.interval == pytest.approx((-forth.value.interval[1], -forth.value.interval[0]), abs=0.02)
    assert (forth.answer, reverse.answer) == ("better", "worse")


def test_differences_are_of_pairs_worked_out_by_hand(tmp_path: Path) -> None:
    # The second arm reaches the threshold 40 steps before the first one, whatever the luck of the seed.
    arms = tiny("mvp", "mvp:n_envs=4")
    fabricate(tmp_path, arms, SEEDS, lambda arm, seed: [0.0] * (2 + seed % 5 - arm) + [0.96 + 0.01 * arm])
    comparison = compare(arms, SEEDS, tmp_path)
    steps, success = comparison.differences
    assert (float(steps.value), steps.value.interval, steps.answer) == (-40.0, (-40.0, -40.0), "better")
    assert float(success.value) == pytest.approx(0.01)
    assert success.answer == "better"
    expected = sorted(40 * (2 + seed % 5) for seed in SEEDS)
    assert comparison.results[0].steps == (expected[2] + expected[3]) / 2
    assert [words for _, _, words in difference_rows(comparison)] == [
        "better by 40 [40, 40]",
        "better by 0.0100 [0.0100, 0.0100]",
    ]


def test_a_run_that_never_gets_there_counts_with_all_its_steps(tmp_path: Path) -> None:
    arms = tiny("mvp", "mvp:n_envs=4")
    fabricate(tmp_path, arms, SEEDS, lambda arm, seed: [0.1, 0.2 if arm else 0.96, 0.3])
    comparison = compare(arms, SEEDS, tmp_path)
    assert [float(difference.value) for difference in comparison.differences] == pytest.approx([40.0, 0.0])
    assert [difference.answer for difference in comparison.differences] == ["worse", "no difference shown"]
    assert [row[1:3] for row in arm_rows(comparison)] == [("40 [40, 40]", "6 of 6"), ("> 80", "0 of 6")]
    assert any("never gets there" in note for note in notes(comparison))


def test_of_an_estimate_the_lower_end_has_to_be_there(tmp_path: Path) -> None:
    arms = tiny("mvp", "mvp:n_envs=4")
    fabricate(tmp_path, arms, SEEDS, lambda arm, seed: [0.1, (0.96, 0.90), (0.97, 0.951)])
    assert {outcome.steps for outcome in compare(arms, SEEDS, tmp_path).results[0].outcomes} == {80}


def test_few_seeds_are_no_evidence(tmp_path: Path) -> None:
    arms, seeds = tiny("mvp", "mvp:n_envs=4"), SEEDS[:5]
    fabricate(tmp_path, arms, seeds, lambda arm, seed: [0.1, 0.96 if arm else 0.2, 0.3 + 0.1 * arm])
    comparison = compare(arms, seeds, tmp_path)
    assert [difference.answer for difference in comparison.differences] == ["too few seeds"] * 2
    assert any("fewer than 6 seeds" in note for note in notes(comparison))


def test_per_step_divides_returns_and_ends_where_the_shortest_arm_does(tmp_path: Path) -> None:
    arms = tiny("mvp:env.arguments.horizon=2", "mvp:env.arguments.horizon=4,total_steps=80")
    fabricate(tmp_path, arms, SEEDS, lambda arm, seed: [0.4, 1.0, 1.9, 2.0] if arm == 0 else [0.8, 1.0, 3.0])
    comparison = compare(arms, SEEDS, tmp_path, per_step=True)
    assert [float(result.score) for result in comparison.results] == pytest.approx([1.9 / 2, 3.0 / 4])
    assert [outcome.steps for outcome in comparison.results[0].outcomes] == [80] * 6
    assert float(comparison.differences[1].value) == pytest.approx(0.75 - 0.95)


# ---- what is there already


def test_what_is_done_is_not_done_again_and_more_seeds_are_added(tmp_path: Path) -> None:
    arms, ended = tiny("mvp", "mvp:agent=random"), list[RunEnd]()
    compare(arms, SEEDS[:2], tmp_path, n_processes=2, on_run_end=ended.append)
    assert len(ended) == 4
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    ended.clear()
    first = compare(arms, SEEDS[:2], tmp_path, on_run_end=ended.append)
    assert ended == []
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [planned.is_done for planned in first.plan.runs] == [True] * 4
    more = compare(arms, SEEDS[:3], tmp_path, on_run_end=ended.append)
    assert {end.run.seed for end in ended} == {SEEDS[2]}
    assert len(more.results[0].outcomes) == 3


def test_an_unfinished_run_is_continued(made: Comparison, tmp_path: Path) -> None:
    shutil.copytree(made.plan.folder, tmp_path / "c")
    cut = next(planned for planned in plan_comparison(made.plan.arms, SEEDS, tmp_path / "c").runs)
    before = (cut.folder / METRICS).read_text()
    (cut.folder / METRICS).write_text(before[: len(before) // 2])
    (cut.folder / DONE).unlink()
    ended: list[RunEnd] = []
    compare(made.plan.arms, SEEDS, tmp_path / "c", on_run_end=ended.append)
    assert [end.run.folder for end in ended] == [cut.folder]
    assert (cut.folder / METRICS).read_text() == before
    assert json.loads((cut.folder / CONTINUED).read_text())["continued"][0]["step"] == 160


def test_runs_of_other_versions_are_told(made: Comparison, tmp_path: Path) -> None:
    shutil.copytree(made.plan.folder, tmp_path / "c")
    facts_file = tmp_path / "c" / "mvp" / f"seed-{SEEDS[0]}" / "versions.json"
    facts_file.write_text(json.dumps(json.loads(facts_file.read_text()) | {"torch": "1.0"}))
    comparison = compare(made.plan.arms, SEEDS, tmp_path / "c")
    assert any(note.startswith("1 of 18 runs were made earlier") for note in notes(comparison))


def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    arms = tiny("mvp", "mvp:agent=random")
    place = plan_comparison(arms, SEEDS, tmp_path).runs[0].folder
    begin_folder(place, load_settings("conditional"))
    before = (place / SETTINGS).read_text()
    with pytest.raises(
        InputError,
        match=r"with other settings, there -> here: .*env\.id: WMIL/Conditional-v0 -> WMIL/PatternEcho-v0",
    ):
        compare(arms, SEEDS, tmp_path)
    assert (place / SETTINGS).read_text() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is not a folder"):
        compare(arms, SEEDS, tmp_path / "file")


def test_the_same_arms_have_the_same_folder_and_other_ones_another() -> None:
    folders = [default_comparison_folder(tiny(*texts)) for texts in (("mvp", "mvp"), ("mvp", "mvp"), ("mvp",))]
    assert folders[0] == folders[1] != folders[2]
    assert folders[0].name.startswith("compare-mvp-")


def test_arms_with_names_that_no_file_system_takes_have_folders_of_their_own() -> None:
    texts = ("mvp:env.arguments.parent={kind: noisy, flip: 0.1}", "mvp:env.arguments.parent={kind= noisy; flip= 0.1}")
    arms = [Arm(text, load_settings("mvp", TINY)) for text in (*texts, "a/b", "A/B", "...")]
    folders = {planned.folder.parent.name.lower() for planned in plan_comparison(arms, SEEDS, Path("x")).runs}
    assert len(folders) == len(arms)
    assert not any(set(folder) & set('/\\:*?"<>| ') for folder in folders)


@pytest.mark.parametrize(
    ("texts", "seeds", "sentence"),
    [(("mvp",), SEEDS, "at least two arms"), (("mvp", "mvp"), [1], "two seeds"), (("mvp", "mvp"), [1, 1], "once")],
)
def test_a_comparison_of_too_little_is_refused(texts: tuple[str, ...], seeds: list[int], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        compare(tiny(*texts), seeds, Path("nowhere"))
    assert not Path("nowhere").exists()


# ---- files


def test_the_files_hold_every_run_with_its_mark_floor_and_ceiling(made: Comparison) -> None:
    folder = made.plan.folder
    with (folder / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert {row["mark"] for row in rows} == {"", "uses a teacher"}
    assert {(row["floor"], row["ceiling"]) for row in rows} == {("0.125", "1.0")}
    for row in rows:
        columns = read_metrics(folder / row["run"] / METRICS)
        assert float(row["final_score"]) == columns["success"][-1]
    document = json.loads((folder / "comparison.json").read_text())
    assert [arm["mark"] for arm in document["arms"]] == ["", "", "uses a teacher"]
    assert document["seeds"] == SEEDS
    assert document["versions"]["command"] == "wmil compare"
    assert [difference["minus"] for difference in document["differences"]] == ["mvp"] * 4
    text = (folder / "comparison.md").read_text()
    assert text.count("mvp:agent=kl_distill (uses a teacher)") == 3
    assert "no result of learning from rewards alone" in text
    assert "Written by `wmil compare`." in text


# ---- faults


def test_a_run_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    arms = tiny("mvp", "mvp:learner.arguments.learning_rate=1.0e+38")
    comparison = compare(arms, SEEDS[:2], tmp_path, n_processes=2)
    assert [(failure.arm, failure.seed) for failure in comparison.failures] == [(arms[1], s) for s in SEEDS[:2]]
    assert [result.arm for result in comparison.results] == [arms[0]]
    assert comparison.differences == ()
    write_comparison(comparison)
    assert "FAILED: mvp:learner.arguments.learning_rate=1.0e+38, seed 0: " in (tmp_path / "comparison.md").read_text()
    failed = next(planned for planned in comparison.plan.runs if planned.arm is arms[1])
    assert "Traceback" in (failed.folder / FAILURE).read_text()
    assert not plan_comparison(arms, SEEDS[:2], tmp_path).of(arms[1])[0].is_done


KILLED = """
import os
import gymnasium as gym

class Killed(gym.Env):
    observation_space = action_space = gym.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        return 0, {}

    def step(self, action):
        os._exit(9)

gym.register("Killed-v0", lambda **kwargs: Killed(), max_episode_steps=5)
"""


def test_a_process_that_dies_is_a_failure_with_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "killed_env.py").write_text(KILLED)
    monkeypatch.syspath_prepend(str(tmp_path))
    dying = load_settings("mvp", [*TINY, "env={id: 'killed_env:Killed-v0', arguments: {}}", "world_model.scale=0"])
    ended: dict[int, str | None] = {}
    tasks = [(dying, tmp_path / "dying"), (load_settings("mvp", TINY), tmp_path / "living")]
    run_side_by_side(tasks, 1, ended.__setitem__)
    sys.modules.pop("killed_env", None)
    assert ended == {0: "its process ended with code 9 before the run did", 1: None}


def test_an_interrupted_comparison_stops_its_processes_and_keeps_what_is_done(tmp_path: Path) -> None:
    arms = parse_arms(["mvp", "mvp:agent=random,total_steps=200000"], [*TINY[1:], "total_steps=160"])
    running: list[int] = []

    def interrupt(end: RunEnd) -> None:
        running.append(end.run.seed)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(arms, SEEDS[:2], tmp_path, n_processes=2, per_step=True, on_run_end=interrupt)
    done = [planned.is_done for planned in plan_comparison(arms, SEEDS[:2], tmp_path, per_step=True).runs]
    assert running == [SEEDS[0]]
    assert done == [True, False, False, False]
    assert multiprocessing.active_children() == []
