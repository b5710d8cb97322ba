from __future__ import annotations

import csv
import dataclasses
import importlib
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from wmil_agents.extractors.transformer import TransformerExtractor

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def figure(value: float, bound: float | None, better: str = "less") -> Any:
    return importlib.import_module("benchmarks.figure").Figure("speed", value, "us", bound, better)


@pytest.mark.parametrize(
    ("value", "bound", "better", "verdict"),
    [
        (6.0, 6.0, "less", "met"),
        (6.6, 6.0, "less", "missed by 10.0%"),
        (20.0, 20.0, "more", "met"),
        (15.0, 20.0, "more", "missed by 25.0%"),
        (15.0, None, "more", "for comparison"),
    ],
)
def test_a_figure_says_whether_its_bound_is_kept(value: float, bound: float | None, better: str, verdict: str) -> None:
    assert figure(value, bound, better).verdict == verdict


def test_a_figure_survives_its_row() -> None:
    one = figure(6.5, 6.0)
    assert type(one).from_dict(one.to_dict()) == one


def test_the_page_shows_bounds_first_and_what_is_for_comparison_after() -> None:
    table = importlib.import_module("benchmarks.table")
    page = table.page("Figures", ["Remark."], {"processor": "some"}, [figure(1.0, None), figure(12_345.0, 6.0)])
    bounded, others = page.split("## For comparison")
    assert "| speed | 12,345 us |  | <= 6 | missed by 205650.0% | n=1 |" in bounded
    assert "| speed | 1 us |  |  | for comparison | n=1 |" in others
    assert "- processor: some" in others


def test_what_takes_three_times_as_long_measures_so() -> None:
    measure = importlib.import_module("benchmarks.measure")

    def once() -> None:
        sum(range(2_000))

    def thrice() -> None:
        for _ in range(3):
            once()

    timings = measure.microseconds_per_call({"once": once, "thrice": thrice}, n_turns=5)
    assert len(timings["once"].turns) == 5
    assert 2.0 < measure.median_ratio(timings["thrice"], timings["once"]) < 4.5
    low, high = timings["once"].quartiles
    assert low <= timings["once"].median <= high


def test_only_cpu_time_is_counted() -> None:
    measure = importlib.import_module("benchmarks.measure")
    assert measure._seconds(lambda: time.sleep(0.02), 2) < 0.02


def test_every_program_can_be_imported_and_says_what_it_measures() -> None:
    programs = importlib.import_module("benchmarks.run").PROGRAMS
    for module in programs.values():
        program = importlib.import_module(module)
        assert callable(program.measure)
        assert program.__doc__


def test_the_short_form_writes_a_page_and_a_csv_file(tmp_path: Path) -> None:
    importlib.import_module("benchmarks.table").write_csv(tmp_path / "learning.csv", [figure(7.0, 5.0)])
    command = [sys.executable, "-m", "benchmarks.run", "--only", "evaluation", "--results", str(tmp_path)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    page = (tmp_path / "README.md").read_text()
    assert "| learning | unknown |  |  |  |" in page
    assert "| top_levels | not measured |  |  |  |" in page
    assert "| evaluation | short | " in page
    assert "| speed | 7 us |  | <= 5 | missed by 40.0% | n=1 |" in page
    assert page in answer.stdout
    assert "1,024 cells" in page
    assert "- commit: " in page
    with (tmp_path / "evaluation.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["value"]) > 0
    assert row["verdict"] in page


def test_a_program_that_fails_is_named_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = importlib.import_module("benchmarks.run")
    monkeypatch.setattr(run, "PROGRAMS", {"broken": "benchmarks.no_such_program"})
    monkeypatch.setattr(sys, "argv", ["run", "--only", "broken", "--results", str(tmp_path)])
    assert run.main() == 1
    assert "program failed: broken" in (tmp_path / "README.md").read_text()
    assert "benchmarks.no_such_program" in capsys.readouterr().err


RECORDING = """
import json, pathlib, sys
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
figure = {"name": "recorded", "value": 1.0, "unit": "", "verdict": ""}
pathlib.Path(options["--json"]).write_text(json.dumps([figure]))
(pathlib.Path(options["--runs"]) / "every_run.csv").write_text("x")
"""


def test_what_is_measured_into_a_folder_of_its_own_is_written_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = importlib.import_module("benchmarks.run")
    (tmp_path / "recording.py").write_text(RECORDING)
    apart = tmp_path / "apart"
    apart.mkdir()
    monkeypatch.setattr(run.machine, "ROOT", tmp_path)
    monkeypatch.setattr(run, "LATEST", tmp_path / "latest")
    monkeypatch.setattr(run, "PROGRAMS", {"recording": "recording"})
    monkeypatch.setattr(sys, "argv", ["run", "--only", "recording", "--full", "--results", str(apart)])
    assert run.main() == 0
    assert sorted(path.name for path in apart.iterdir()) == [
        "README.md",
        "every_run.csv",
        "recording.csv",
        "runs.json",
    ]
    assert not (tmp_path / "latest").exists()


def test_results_do_not_make_a_commit_dirty_and_code_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = importlib.import_module("benchmarks.machine")
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    assert machine.description()["commit"].startswith("unknown")
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    files = [tmp_path / "code.py", tmp_path / "README.md", tmp_path / "benchmarks" / "results" / "figures.csv"]
    for file in files:
        file.write_text("1\n")
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "All of it"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    for file in files[1:]:
        file.write_text("2\n")
    clean = machine.description()["commit"]
    assert re.fullmatch("[0-9a-f]{12}", clean)
    files[0].write_text("2\n")
    assert machine.description()["commit"] == f"{clean}-dirty"


def test_the_short_form_leaves_out_what_is_slow_and_the_full_one_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run = importlib.import_module("benchmarks.run")
    monkeypatch.setattr(run, "installed_peers", lambda: ["gymnax"])
    assert run.programs_of(full=True) == [*run.PROGRAMS, "peers"]
    assert set(run.programs_of(full=True)) - set(run.programs_of(full=False)) == set(run.ONLY_IN_FULL)


# ---- the peers


def contest_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> Any:
    """The contest's module, and a contestant whose program is the given text."""
    contest = importlib.import_module("benchmarks.peers.contest")
    package = tmp_path / "benchmarks" / "peers" / "contestants"
    package.mkdir(parents=True)
    (package / "scripted.py").write_text(program)
    for source in ("worker.py",):
        (package.parent / source).write_text((ROOT / "benchmarks" / "peers" / source).read_text())
    monkeypatch.setattr(contest, "ROOT", tmp_path)
    return contest


COUNTING = """
import os
print("a library's own words")
def start(arguments):
    turns = []
    def turn(request):
        turns.append(request["seed"])
        return {"turns": turns, "step": arguments["step"], "process": os.getpid()}
    return turn
"""
FAILING = """
def start(arguments):
    raise ImportError("this library needs an older Python")
"""


def test_a_contestant_answers_every_request_in_one_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contest = contest_with(tmp_path, monkeypatch, COUNTING)
    rows = [contest.Contestant(str(step), "project", "scripted", {"step": step}) for step in (1, 2)]
    one, other = contest.hold(rows, [{"seed": 3}, {"seed": 5}])
    assert [answer["turns"] for answer in one.answers] == [[3], [3, 5]]
    assert [answer["step"] for answer in (*one.answers, *other.answers)] == [1, 1, 2, 2]
    assert len({answer["process"] for answer in one.answers}) == 1
    assert one.answers[0]["process"] != other.answers[0]["process"]


def test_a_contestant_that_fails_is_out_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contest = contest_with(tmp_path, monkeypatch, FAILING)
    (outcome,) = contest.hold([contest.Contestant("x", "project", "scripted")], [{"seed": 0}, {"seed": 1}])
    assert outcome.answers == ()
    assert outcome.reason == "ImportError: this library needs an older Python"


def test_a_contestant_that_hangs_is_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contest = contest_with(tmp_path, monkeypatch, "import time\ndef start(arguments):\n    time.sleep(60)\n")
    monkeypatch.setattr(contest, "SECONDS_A_TURN", 0.5)
    (outcome,) = contest.hold([contest.Contestant("x", "project", "scripted")], [{"seed": 0}])
    assert "no answer within 0.5 s" in outcome.reason


def test_a_peer_that_is_not_installed_is_listed_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = importlib.import_module("benchmarks.peers.installation")
    assert "python -m benchmarks.peers install gymnax" in installation.absence("gymnax", tmp_path)
    contest = importlib.import_module("benchmarks.peers.contest")
    monkeypatch.setattr(contest, "absence", lambda name: installation.absence(name, tmp_path))
    comparison = importlib.import_module("benchmarks.peers.comparison")
    row = contest.Contestant("gymnax, some world", "gymnax", "gymnax_vector", {"n_envs": 64})
    (outcome,) = contest.hold([row], [{}])
    rate = comparison.rate(outcome, {row.name: []})
    table = importlib.import_module("benchmarks.peers.report").rates_table([rate])
    assert "| gymnax, some world | 64 | not measured: not installed here" in table


def test_an_installation_that_fails_is_remembered_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = importlib.import_module("benchmarks.peers.installation")
    peer_module = importlib.import_module("benchmarks.peers.peer")
    absent = peer_module.Peer("absent", (), "no_such_module_anywhere")
    monkeypatch.setitem(installation.PEERS, "absent", absent)
    made = installation.install(absent, tmp_path)
    assert "No module named 'no_such_module_anywhere'" in made.reason
    assert installation.installation_of("absent", tmp_path) == made
    usable = peer_module.Peer("absent", (), "json")
    monkeypatch.setitem(installation.PEERS, "absent", usable)
    assert installation.install(usable, tmp_path).versions["pip"]
    assert installation.absence("absent", tmp_path) == ""
    monkeypatch.setitem(installation.PEERS, "absent", peer_module.Peer("absent", (("other==1",),), "json"))
    assert "recipe has changed" in installation.absence("absent", tmp_path)


def test_the_rows_name_programs_and_peers_that_exist() -> None:
    rows = importlib.import_module("benchmarks.peers.rows")
    known = {"project", *importlib.import_module("benchmarks.peers.peer").PEERS}
    for row in (*rows.ENVIRONMENTS, *(learner for course in rows.COURSES for learner in course.learners)):
        assert row.peer in known
        assert (ROOT / "benchmarks" / "peers" / "contestants" / f"{row.module}.py").is_file()
    places = [(row.name, row.arguments["n_envs"]) for row in rows.ENVIRONMENTS]
    assert len(set(places)) == len(places)
    assert all((rows.counterpart(row), row.arguments["n_envs"]) in places for row in rows.ENVIRONMENTS if row.is_short)
    for course in rows.COURSES:
        names = [row.name for row in course.learners]
        assert len(set(names)) == len(names)
        assert course.reference in {row.name for row in course.contestants(short=True) if row.is_ours}


def test_a_learner_is_told_its_world_its_budget_and_every_seed() -> None:
    rows = importlib.import_module("benchmarks.peers.rows")
    *_, course = rows.COURSES
    assert course.requests(short=True) == []
    assert course.requests(short=False) == [{"seed": seed, "budget": 20_000} for seed in range(5)]
    for row in course.contestants(short=False):
        assert (row.arguments["id"], row.arguments["env"]) == ("wmil_envs:WMIL/SequenceNext-v0", {"level": 4})
    by_name = {row.name: row.arguments for row in rows.ECHO_COURSE.contestants(short=False)}
    assert by_name["SBX PPO + MLP, usual settings"]["env"] == {"obs": "onehot"}


def test_a_world_without_seeds_in_the_short_form_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = importlib.import_module("benchmarks.peers.comparison")
    rows = importlib.import_module("benchmarks.peers.rows")
    row = importlib.import_module("benchmarks.peers.contest").Contestant("ours", "project", "sb3_learner", {}, True)
    asked = []

    def hold(contestants: Any, requests: Any) -> Any:
        asked.append([one.arguments["id"] for one in contestants])
        answers = ({"steps": 88, "seconds": 0.1, "success": 1.0},) * len(requests)
        return [importlib.import_module("benchmarks.peers.contest").Outcome(one, answers) for one in contestants]

    monkeypatch.setattr(comparison, "hold", hold)
    courses = [
        rows.Course(name, name, (row,), "ours", 100, full_seeds=2, short_seeds=n) for name, n in (("a", 1), ("b", 0))
    ]
    monkeypatch.setattr(comparison, "COURSES", courses)
    short, full = comparison.compare_learners(short=True), comparison.compare_learners(short=False)
    assert [(one.world, one.seeds, one.budget) for one in short] == [("a", 1, 100)]
    assert [(one.world, one.seeds, one.budget) for one in full] == [("a", 2, 100), ("b", 2, 100)]
    assert asked == [["a"], ["a"], ["b"]]


def test_no_seed_of_a_published_row_is_one_of_the_search() -> None:
    rows, tuning = (importlib.import_module(f"benchmarks.peers.{name}") for name in ("rows", "tuning"))
    published = {request["seed"] for course in rows.COURSES for request in course.requests(short=False)}
    assert published.isdisjoint(tuning.SCREENING_SEEDS)
    assert max(published) < tuning.FIRST_FINAL_SEED


def test_what_is_drawn_for_event_replay_goes_into_its_settings() -> None:
    tuning = importlib.import_module("benchmarks.peers.tuning")
    for name in ("event-replay-transformer", "event-replay-mlp"):
        module, choices, arguments_of = tuning.LEARNERS[name]
        settings = arguments_of(tuning.draw(choices, np.random.default_rng(0)))["settings"]
        assert module == "sb3_learner"
        assert set(settings["event_replay"]) == {"weight", "n_replayed"}
        assert "weight" not in settings
    _, choices, arguments_of = tuning.LEARNERS["reinforce-mlp"]
    assert "event_replay" not in arguments_of(tuning.draw(choices, np.random.default_rng(0)))["settings"]


@pytest.mark.parametrize("installed", [[], ["gymnax"]])
def test_the_peers_are_measured_where_one_is_installed(
    installed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = importlib.import_module("benchmarks.run")
    monkeypatch.setattr(run, "PROGRAMS", {})
    monkeypatch.setattr(run, "installed_peers", lambda: installed)

    def compare(folder: Path, *, short: bool) -> bool:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "peers.md").write_text(f"the peers' page, short: {short}")
        return True

    monkeypatch.setattr(run, "compare_with_peers", compare)
    monkeypatch.setattr(sys, "argv", ["run", "--results", str(tmp_path)])
    assert run.main() == 0
    assert ("the peers' page, short: True" in capsys.readouterr().out) == bool(installed)
    page = (tmp_path / "README.md").read_text()
    assert ("is in `peers.md`" in page) == bool(installed)
    assert ("needs `python -m benchmarks.peers install`" in page) != bool(installed)


BUDGET = 5_000


def lessons_of(ours: tuple[float, float], theirs: tuple[float | None, float]) -> list[Any]:
    rows = importlib.import_module("benchmarks.peers.rows")
    course = rows.Course("PatternEcho", rows.ECHO, (), "ours", BUDGET, full_seeds=3, short_seeds=3)
    contest = importlib.import_module("benchmarks.peers.contest")
    comparison = importlib.import_module("benchmarks.peers.comparison")
    outcomes = [
        contest.Outcome(
            contest.Contestant(name, "project", "sb3_learner", {}, is_ours),
            ({"steps": run[0], "seconds": run[1], "success": 1.0},) * 3,
        )
        for name, is_ours, run in (("ours", True, ours), ("theirs", False, theirs))
    ]
    return [comparison.lesson(outcome, outcomes[0], course) for outcome in outcomes]


def test_the_table_says_where_ours_loses() -> None:
    report = importlib.import_module("benchmarks.peers.report")
    page = report.page([], lessons_of((184.0, 0.1), (384.0, 0.05)), "some command", plotted=False)
    assert "| **ours** | 184 | 184 - 184 | 184 | 3 of 3 | 0.1 | 0.1 - 0.1 |  |  |" in page
    assert "| theirs | 384 | 384 - 384 | 384 | 3 of 3 | 0.05 | 0.05 - 0.05 | 2.1 x | 0.5 x (**ours loses**) |" in page
    assert "**Ours loses**: theirs need less CPU time." in page
    assert "with every seed, the fewest steps: ours 184 (`ours`), theirs 384 (`theirs`)." in page
    assert "with every seed, the least CPU time: ours 0.1 s (`ours`), theirs 0.05 s (`theirs`): **ours loses**." in page
    assert "Ours does not lose to anybody here: none need fewer steps." in page


def test_who_never_got_there_counts_with_the_whole_budget_and_is_marked_and_not_compared() -> None:
    report = importlib.import_module("benchmarks.peers.report")
    ours, theirs = lessons_of((100.0, 4.0), (None, 3.0))
    assert (theirs.steps, theirs.solved) == (BUDGET, 0)
    assert (theirs.steps_ratio, theirs.seconds_ratio) == (None, None)  # it gave up, perhaps soon: ours has not lost
    assert (report.steps_text(theirs), report.seconds_text(theirs)) == ("> 5,000", "> 3")
    assert (report.steps_text(ours), report.seconds_text(ours)) == ("100", "4")


def test_other_worlds_have_tables_of_their_own(tmp_path: Path) -> None:
    rows, report = (importlib.import_module(f"benchmarks.peers.{name}") for name in ("rows", "report"))
    comparison = importlib.import_module("benchmarks.peers.comparison")
    course = rows.COURSES[-1]
    echo = lessons_of((184.0, 0.1), (384.0, 0.05))
    elsewhere = [
        dataclasses.replace(one, world=course.name, name=f"{one.name} elsewhere", steps=9_000.0) for one in echo
    ]
    report.write_csv(tmp_path / "lessons.csv", comparison.as_rows([*echo, *elsewhere]))
    lessons = comparison.read_rows(tmp_path / "lessons.csv", comparison.Lesson)
    assert lessons == [*echo, *elsewhere]
    page = report.page([], lessons, "some command", plotted=False)
    at_echo, at_others = page.split("## Learning worlds with more questions")
    assert "| **ours** | 184 |" in at_echo
    assert "elsewhere" not in at_echo
    assert f"### {course.name}" in at_others
    assert "| **ours elsewhere** | 9,000 |" in at_others


def test_the_plot_shows_every_learner(tmp_path: Path) -> None:
    plot = importlib.import_module("benchmarks.peers.plot")
    plot.draw(lessons_of((184.0, 0.1), (384.0, 0.05)), {"remembers what paid": 160.0}, tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text()
    assert drawn.count(">ours<") == drawn.count(">theirs<") == 1
    assert ">remembers what paid<" in drawn


def test_the_references_are_those_worked_out_by_hand() -> None:
    references = importlib.import_module("benchmarks.peers.references")
    rewards_only = references.rewards_only_steps(20_000, np.random.default_rng(0))
    expected = 64 * sum(1 / k for k in range(1, 9))  # one symbol after the other, k unknown: 64 / k steps
    assert rewards_only.mean() == pytest.approx(expected, abs=5 * rewards_only.std() / 20_000**0.5)
    elimination = references.elimination_steps(300, np.random.default_rng(0))
    assert elimination.min() >= 8  # every symbol must be seen once
    assert np.median(elimination) < np.median(rewards_only) / 2


def test_the_stopwatch_counts_no_time_of_its_own() -> None:
    exact_success = importlib.import_module("benchmarks.peers.exact_success")
    success = iter([1 / 8, 1.0])

    def slow() -> Any:
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        return next(success)

    watch = exact_success.Stopwatch(slow, budget=128)
    assert not watch.look(0)
    assert watch.look(64)
    assert watch.look(128)
    answer = watch.answer()
    assert answer["steps"] == 64
    assert answer["seconds"] < 0.05


def test_who_gets_there_beyond_the_budget_has_not_got_there() -> None:
    late = importlib.import_module("benchmarks.peers.exact_success").Stopwatch(iter([0.2, 1.0]).__next__, budget=100)
    assert not late.look(0)
    assert not late.look(104)
    assert late.answer()["steps"] is None
    assert late.answer()["success"] == 0.2


@pytest.mark.parametrize("obs", ["attributes", "onehot"])
def test_success_is_exact_in_every_form_of_observation(obs: str) -> None:
    exact_success = importlib.import_module("benchmarks.peers.exact_success")
    echo = exact_success.ExactSuccess("wmil_envs:WMIL/PatternEcho-v0", {"obs": obs})
    told = {"attributes": lambda rows: rows[:, 0], "onehot": lambda rows: rows[:, :8].argmax(1)}[obs]
    assert echo.of(lambda rows: np.eye(8)[told(rows)]) == 1.0
    assert echo.of(lambda rows: np.full((len(rows), 8), 1 / 8)) == pytest.approx(1 / 8)
    assert echo.of(lambda rows: np.eye(8)[np.where(told(rows) < 6, told(rows), 0)]) == pytest.approx(6 / 8)


def test_success_is_that_of_the_level_asked_for() -> None:
    exact_success = importlib.import_module("benchmarks.peers.exact_success")
    seen = []

    def even(rows: Any) -> Any:
        seen.append(len(rows))
        return np.full((len(rows), 8), 1 / 8)

    assert exact_success.ExactSuccess("wmil_envs:WMIL/SequenceNext-v0", {"level": 4}).of(even) == pytest.approx(1 / 8)
    assert seen == [336]


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("sb3_learner", {"algorithm": "wmil_agents.reinforce:REINFORCE", "policy": "TransformerPolicy", "n_envs": 8}),
        (
            "sb3_learner",
            {
                "algorithm": "sb3_contrib:RecurrentPPO",
                "env": {"obs": "onehot"},
                "policy": "MlpLstmPolicy",
                "n_envs": 64,
                "settings": {"n_steps": 2, "batch_size": 128, "n_epochs": 1},
            },
        ),
        ("single_file_learner", {"learning_rate": 0.01}),
    ],
)
def test_a_learner_tells_steps_and_seconds(module: str, arguments: dict[str, Any]) -> None:
    learner = importlib.import_module(f"benchmarks.peers.contestants.{module}")
    if module == "sb3_learner":
        arguments = {"vec_env": "batch"} | arguments
    solves = "settings" not in arguments
    answer = learner.start({"id": "wmil_envs:WMIL/PatternEcho-v0"} | arguments)(
        {"seed": 0, "budget": 4_000 if solves else 256}
    )
    assert (answer["steps"] is not None) == solves
    assert answer["seconds"] > 0
    assert 0 < answer["success"] <= 1


def test_the_single_file_ppo_bootstraps_where_an_episode_was_cut_and_nowhere_else() -> None:
    ppo = importlib.import_module("benchmarks.peers.single_file_ppo")
    settings = ppo.Settings(n_envs=2, n_steps=1, discount=0.5, gae_lambda=0.9)
    agent = ppo.Agent((4,), 2, settings)
    for parameter in agent.critic.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(agent.critic[-1].bias, 8.0)

    class CutAndOver:
        """The first environment is cut, the second is over."""

        def step(self, actions: Any) -> Any:
            zeros = np.zeros((2, 1), dtype=np.int32)
            return zeros, np.ones(2), np.array([False, True]), np.array([True, False]), {"final_obs": zeros}

    batch, _ = ppo.rollout(CutAndOver(), agent, agent.encode(torch.zeros(2, 1)), settings)
    assert batch["returns"].tolist() == [1 + 0.5 * 8, 1]


def test_operations_are_counted_as_by_hand() -> None:
    matmul = importlib.import_module("benchmarks.speed.matmul")
    layer = torch.nn.Linear(8, 16)
    rows = torch.rand(32, 8)
    assert matmul.matmul_operations(lambda: layer(rows)) == 2 * 32 * 8 * 16
    # Backward: the weights' gradient alone, since nobody asks for the input's.
    assert matmul.matmul_operations(lambda: layer(rows).sum().backward()) == 2 * (2 * 32 * 8 * 16)
    heads = torch.rand(3, 2, 5, 4, requires_grad=True)
    attend = torch.nn.functional.scaled_dot_product_attention
    products = 2 * (2 * 3 * 2 * 5 * 5 * 4)
    assert matmul.matmul_operations(lambda: attend(heads, heads, heads)) == products
    assert matmul.matmul_operations(lambda: attend(heads, heads, heads).sum().backward()) == 3 * products


def test_the_encoder_to_compare_with_is_as_large_as_ours() -> None:
    encoder = importlib.import_module("benchmarks.speed.encoder_extractor")
    space = gym.make("wmil_envs:WMIL/PatternEcho-v0").observation_space
    theirs, ours = encoder.EncoderExtractor(space), TransformerExtractor(space)
    sizes = [sum(parameter.numel() for parameter in network.parameters()) for network in (theirs, ours)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)


def test_results_are_kept_by_date_and_commit(tmp_path: Path) -> None:
    results_folder = importlib.import_module("benchmarks.results_folder")
    (tmp_path / "a.csv").write_text("x\n")
    folder = results_folder.keep([tmp_path / "a.csv"], short=True, results=tmp_path / "results")
    assert (folder / "a.csv").read_text() == "x\n"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-.+-short", folder.name)
