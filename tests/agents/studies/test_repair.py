from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from wmil_agents.plots.repair_curve import draw_repair
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.runs.input_error import InputError
from wmil_agents.runs.run_stopped import ComparisonStopped
from wmil_agents.studies.repair import operation
from wmil_agents.studies.repair.arms import ARMS, DEFAULT_ARMS, arm_named
from wmil_agents.studies.repair.cases import Cases, read_cases, write_cases
from wmil_agents.studies.repair.files import markdown, points, write_summary
from wmil_agents.studies.repair.operation import TEST_STREAM, repair_with_seed
from wmil_agents.studies.repair.operation import test_damages as damages_to_judge_by
from wmil_agents.studies.repair.plan import Plan, plan_repairs
from wmil_agents.studies.repair.result import ArmResult, RepairResult
from wmil_agents.studies.repair.settings import RepairSettings
from wmil_agents.studies.repair.study import read_result
from wmil_agents.surgeons import FAULTS, BankScore, Patient, SurgeryEnv, patient_of
from wmil_agents.surgery import LayerNormGain
from wmil_envs.world import World

TINY = RepairSettings(n_damages=3, n_edits=2, n_train_edits=4)


@pytest.fixture(scope="module")
def taught() -> Patient:
    """A small policy that knows nearly all right answers, in a second."""
    env = gym.make("wmil_envs:WMIL/PatternEcho-v0", n_symbols=16).unwrapped
    world: Any = env.world  # type: ignore[attr-defined]  # a SymbolicEnv
    assert isinstance(world, World)
    kwargs = {"width": 16, "n_layers": 1, "n_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        policy = TransformerPolicy(
            env.observation_space, env.action_space, lambda _: 1e-3, features_extractor_kwargs=kwargs
        )
    everything = BankScore(world)
    adam = torch.optim.Adam(policy.parameters(), 1e-2, maximize=True)
    for _ in range(60):
        adam.zero_grad()
        torch.autograd.backward((everything.worth(policy) + 1e-6).log().mean())
        adam.step()
    return patient_of(policy.eval(), world)


@pytest.fixture
def small(taught: Patient, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """Whom the study operates on in these tests."""
    monkeypatch.setattr(operation, "make_patient", lambda seed: taught)
    return taught


def not_asked() -> None:
    return None


def cases(after: list[float], n_evaluations: int = 4, train_evaluations: int = 0) -> Cases:
    n = len(after)
    return Cases([1.0] * n, [0.5] * n, after, [True] * n, [n_evaluations] * n, train_evaluations, 1.0, 0.01)


def result(**arms: tuple[list[list[float]], int, int]) -> RepairResult:
    """Of arms by their scores after it, per seed, their evaluations, and those of their training."""
    return RepairResult(
        TINY,
        2,
        tuple(
            ArmResult(arm_named(name), (0, 1), tuple(cases(row, *counts) for row in rows))
            for name, (rows, *counts) in arms.items()
        ),
    )


# ---- the question


def test_test_damages_are_the_same_for_all_and_those_of_a_training_are_others(small: Patient) -> None:
    settings = RepairSettings(n_damages=12)

    def drawn(damages: list[Any]) -> list[tuple[float, ...]]:
        return [edits[0].strength for edits in damages]

    judged = drawn(damages_to_judge_by(settings, small))
    assert drawn(damages_to_judge_by(replace(settings, n_damages=5), small)) == judged[:5]
    assert len(set(judged)) == 12
    trained: set[tuple[float, ...]] = set()
    for seed in range(3):
        env = SurgeryEnv(small)
        of_seed = set()
        for number in range(40):
            env.reset(seed=seed if number == 0 else None)
            assert env._fault_theater is not None
            of_seed.add(tuple(env._fault_theater.strengths))
        assert len(of_seed) == 40
        assert not of_seed & trained
        trained |= of_seed
    assert not trained & set(judged)
    assert TEST_STREAM > 2**64  # no seed of a surgeon


def test_a_damage_that_takes_nothing_is_drawn_again(small: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sometimes:
        name, n_drawn = "sometimes", 0

        def draw(self, model: Any, rng: np.random.Generator) -> tuple[LayerNormGain]:
            self.n_drawn += 1
            return (LayerNormGain("*", 0.0 if self.n_drawn % 2 else -5.0),)

    fault = Sometimes()
    monkeypatch.setitem(FAULTS, "sometimes", fault)
    found = damages_to_judge_by(RepairSettings(n_damages=3, fault="sometimes"), small)
    assert [edits[0].strength for edits in found] == [-5.0] * 3
    assert fault.n_drawn == 6


# ---- what is done, and what is not done again


def test_every_arm_repairs_the_same_damages_and_nothing_is_done_twice(
    small: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = {name: tensor.clone() for name, tensor in small.model.state_dict().items()}  # type: ignore[union-attr]
    names = ["sac", "random", "es", "none", "gradient", "finetune", "calibrate", "sac_shuffled"]
    plan = plan_repairs(names, 2, TINY, tmp_path)
    for seed in plan.seeds:
        repair_with_seed(plan, seed, not_asked)
    for name, tensor in small.model.state_dict().items():  # type: ignore[union-attr]  # a policy
        assert torch.equal(tensor, healthy[name])
    found = read_result(plan)
    assert [one.arm.name for one in found.arms] == names
    befores = [one.before for arm in found.arms for one in arm.cases]
    assert all(before == befores[0] for before in befores)
    by_name = {one.arm.name: one for one in found.arms}
    assert float(by_name["none"].regained) == 0.0
    assert float(by_name["calibrate"].regained) > 0.9 > float(by_name["random"].regained)
    assert not np.array_equal(*by_name["random"].shares)
    assert np.array_equal(*by_name["gradient"].shares)
    assert [by_name[name].evaluations for name in ("sac", "es", "none", "gradient")] == [2, 2, 0, 3]
    assert by_name["sac"].train_evaluations == 4 + 3  # and one for each reset
    assert by_name["calibrate"].train_evaluations == 1 + 2 * 4

    monkeypatch.setattr(operation, "operate", None)  # nothing is left to do
    again = plan_repairs(names, 2, TINY, tmp_path)
    repair_with_seed(again, 0, not_asked)
    assert again.lacking(0) == []
    longer = plan_repairs(names, 2, replace(TINY, n_train_edits=5), tmp_path)
    assert [arm.name for arm in longer.lacking(0)] == ["sac", "sac_shuffled"]  # the others do not depend on it
    assert len(plan_repairs(names, 2, replace(TINY, n_damages=4), tmp_path).lacking(0)) == len(names)


def test_a_seed_that_is_asked_to_stop_keeps_the_arms_that_are_done(small: Patient, tmp_path: Path) -> None:
    plan = plan_repairs(["none", "sac"], 1, TINY, tmp_path)
    n_asked = 0

    def stop() -> str | None:
        nonlocal n_asked
        n_asked += 1
        return "SIGINT" if n_asked > 4 else None  # in the training of the second arm

    with pytest.raises(ComparisonStopped, match="SIGINT"):
        repair_with_seed(plan, 0, stop)
    assert [arm.name for arm in plan.lacking(0)] == ["sac"]
    assert read_result(plan).arms == ()  # a seed counts when all arms have operated
    repair_with_seed(plan, 0, not_asked)
    assert read_result(plan).n_seeds == 1


def test_the_keep_rule_is_told_beside_what_was_done(small: Patient, tmp_path: Path) -> None:
    plan = plan_repairs(["random", "calibrate"], 1, TINY, tmp_path)
    repair_with_seed(plan, 0, not_asked)
    random, calibrated = read_result(plan).arms
    assert (random.gain < 0.0).any()  # what was done is told, though the rule would have reverted it
    assert not random.kept[random.gain < -0.05].any()
    assert calibrated.kept.all() or len(small.decision.weights) < 6


def test_a_damaged_file_and_one_of_another_question_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "seed-0" / "none.json"
    one = cases([0.6, 0.7])
    write_cases(path, "none", 0, {"n_damages": 2}, one)
    assert read_cases(path, {"n_damages": 2}) == one
    assert read_cases(path, {"n_damages": 3}) is None
    path.write_text("{")
    assert read_cases(path, {"n_damages": 2}) is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"names": ["scs"]}, "did you mean 'sac'"),
        ({"names": ["es0"]}, "es needs at least 1 evaluations"),
        ({"names": ["gradient2"]}, "gradient needs at least 3 evaluations"),
        ({"names": []}, "at least one arm"),
        ({"names": ["sac", "sac"]}, "each of them once"),
        ({"n_seeds": 0}, "n_seeds must be at least 1"),
        ({"settings": RepairSettings(fault="flipped_heads")}, "did you mean 'flipped_head'"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        plan_repairs(**{"names": ["sac"], "n_seeds": 1, "settings": TINY, **arguments})


@pytest.mark.parametrize(("name", "value"), [("n_damages", 1), ("n_edits", 0), ("n_train_edits", 0), ("max_change", 0)])
def test_a_number_out_of_range_is_refused(name: str, value: int) -> None:
    with pytest.raises(InputError, match=f"{name} must be"):
        replace(TINY, **{name: value})


def test_the_folder_is_the_same_for_the_same_question() -> None:
    def folder(**changes: Any) -> Path:
        return plan_repairs(["sac"], 1, replace(TINY, **changes)).folder

    assert folder() == folder() == plan_repairs(["es", "none"], 3, TINY).folder
    assert folder() != folder(n_edits=3)


def test_every_arm_has_a_name_and_words() -> None:
    assert set(DEFAULT_ARMS) - {"es40", "es200", "gradient40", "finetune40"} < set(ARMS)
    for name in ARMS:
        assert arm_named(name).name == name
        assert arm_named(name).words
    assert arm_named("es40").words == "(1+1) evolution strategy, 40 evaluations"
    assert [name for name in ARMS if arm_named(name).learns] == ["sac", "sac_shuffled"]


# ---- what comes out


def test_shares_differences_and_the_two_means_by_hand() -> None:
    found = result(sac=([[1.0, 0.75], [0.75, 0.75]], 4, 100), none=([[0.5, 0.5], [0.5, 0.5]], 0, 0))
    sac, none = found.arms
    assert sac.shares.tolist() == [[1.0, 0.5], [0.5, 0.5]]
    assert float(sac.regained) == float(sac.regained_of_all) == 0.625
    assert sac.seed_means == [0.75, 0.5]
    assert float(none.regained) == 0.0
    (difference,) = found.differences
    assert float(difference.value) == 0.625
    assert difference.paid_after is None  # nothing is spared against no evaluations
    assert difference.value.interval[0] >= 0.5
    skewed = Cases([1.0, 1.0], [0.9, 0.1], [1.0, 0.1], [True, False], [4, 4], 0, 0.0, 0.0)
    one = ArmResult(arm_named("sac"), (0,), (skewed,))
    assert float(one.regained) == pytest.approx(0.5)  # all of a small loss, nothing of a large one
    assert float(one.regained_of_all) == pytest.approx(0.1)
    assert float(replace(one, cases=(replace(skewed, kept=[False, False]),)).regained_if_kept) == 0.0


def test_break_even_is_where_searches_have_cost_as_much_as_the_training() -> None:
    searches = {"es": ([[0.55, 0.55]] * 2, 4, 0), "es40": ([[0.75, 0.75]] * 2, 40, 0)}
    searches["es400"] = ([[0.95, 0.95]] * 2, 400, 0)  # shares .1, .5, .9

    def even(after: float) -> Any:
        found = result(sac=([[after, after]] * 2, 4, 3_600), **searches)
        return found.break_even(found.arms[0])

    found = result(sac=([[0.6, 0.6]] * 2, 4, 3_600), **searches)
    assert [difference.paid_after for difference in found.differences] == [None, 100.0, pytest.approx(3_600 / 396)]
    assert (even(0.75).evaluations, even(0.75).repairs) == pytest.approx((40.0, 100.0))
    assert even(0.85).evaluations == pytest.approx(40 * 10**0.5)  # half way on a log axis
    assert not even(0.85).is_bound
    assert (even(1.0).evaluations, even(1.0).is_bound) == (400.0, True)
    assert even(0.54) is None  # four evaluations do as well
    alone = result(sac=([[1.0, 1.0]] * 2, 4, 10))
    assert alone.break_even(alone.arms[0]) is None


def test_the_files_tell_everything(tmp_path: Path) -> None:
    found = result(
        sac=([[1.0, 0.75], [0.75, 0.75]], 4, 3_600),
        es=([[0.55, 0.5], [0.55, 0.5]], 4, 0),
        none=([[0.5, 0.5]] * 2, 0, 0),
    )
    write_summary(found, tmp_path, ["wmil", "surgery"])
    text = (tmp_path / "summary.md").read_text()
    assert "| sac | 0.62 [" in text
    assert "| none | **+0.62 [" in text
    assert "Written by `wmil surgery`." in text
    assert "sac breaks even" not in text.split("never")[0]
    assert "Means of the seeds of sac: 0.75, 0.50." in text
    document = json.loads((tmp_path / "summary.json").read_text())
    assert [arm["name"] for arm in document["arms"]] == ["sac", "es", "none"]
    assert document["arms"][0]["train_evaluations"] == 3_600
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 * 2
    assert rows[0]["regained"] == "1.000000"
    assert (rows[2]["arm"], rows[2]["seed"], rows[2]["damage"]) == ("sac", "1", "0")


def test_a_failure_is_in_the_notes() -> None:
    found = replace(result(none=([[0.5, 0.5]] * 2, 0, 0)), failures=((3, "its process ended"),))
    assert "FAILED: seed 3: its process ended" in markdown(found)


def test_the_picture_has_a_curve_for_searches_and_a_point_for_every_other_arm(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = result(
        sac=([[1.0, 0.75]] * 2, 4, 10),
        es=([[0.55, 0.6]] * 2, 4, 0),
        es40=([[0.7, 0.8]] * 2, 40, 0),
        none=([[0.5, 0.5]] * 2, 0, 0),
    )
    svg, png = draw_repair(points(found), tmp_path)
    text = svg.read_text(encoding="utf-8")
    for words in (">sac<", ">none<", ">evolution strategy<", ">as healthy<", ">as damaged<"):
        assert words in text
    assert ">es40<" not in text
    assert png.read_bytes().startswith(b"\x89PNG")
    assert draw_repair(points(found), tmp_path)[0].read_bytes() == text.encode()
    assert draw_repair([], tmp_path) == []


def test_a_plan_can_be_sent_to_another_process() -> None:
    import pickle

    plan = plan_repairs(DEFAULT_ARMS, 2, TINY)
    assert isinstance(plan, Plan)
    assert pickle.loads(pickle.dumps(plan)) == plan
