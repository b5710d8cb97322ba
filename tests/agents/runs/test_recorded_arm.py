import math
from pathlib import Path

import numpy as np

from wmil_agents.runs.recorded_arm import differing_settings, flat_settings, group_runs
from wmil_agents.runs.recorded_run import RecordedRun
from wmil_agents.runs.settings_sources import load_settings


def recorded(*overrides: str, seed: int = 0, **columns: list[float]) -> RecordedRun:
    settings = load_settings("mvp", [*overrides, f"seed={seed}"])
    metrics = {"step": [0.0, 10.0, 20.0], "success": [0.1, 0.5, 0.9], **columns}
    return RecordedRun(Path(f"run-{seed}"), settings, metrics, {}, None, None, None, None)


def test_runs_that_differ_in_their_seeds_are_one_arm() -> None:
    runs = [recorded(seed=2), recorded("agent=random", seed=1), recorded("n_threads=2", seed=1)]
    first, second = group_runs(runs)
    assert (first.name, [run.settings.seed for run in first.runs]) == ("mvp", [1, 2])
    assert (second.name, second.label) == ("mvp:agent=random", "mvp:agent=random")
    assert differing_settings([first, second]) == {"agent": ("learner", "random")}


def test_an_arm_that_is_told_more_is_marked() -> None:
    (arm,) = group_runs([recorded("agent=kl_distill")])
    assert arm.label == "mvp (uses a teacher)"


def test_names_are_short_and_no_two_alike() -> None:
    many = [f"env.arguments.parent={{kind: noisy, flip: 0.{i}, name: {'x' * 80}}}" for i in range(3)]
    names = [arm.name for arm in group_runs([recorded(), *(recorded(one) for one in many)])]
    assert len(set(names)) == 4
    assert all(len(name) <= 64 for name in names)


def test_a_curve_is_of_the_steps_that_all_runs_have() -> None:
    other = recorded(seed=1, step=[0.0, 20.0, 30.0], success=[0.3, 0.7, math.nan])
    (arm,) = group_runs([recorded(), other])
    curve = arm.curve("success")
    assert curve is not None
    assert curve.steps.tolist() == [0.0, 20.0]
    assert curve.values.tolist() == [[0.1, 0.9], [0.3, 0.7]]
    np.testing.assert_allclose(curve.middle, [0.2, 0.8])
    assert curve.band is not None


def test_a_single_run_has_the_band_of_its_estimates_or_none() -> None:
    (exact,) = group_runs([recorded()])
    (estimated,) = group_runs([recorded(success_low=[0.0, 0.4, 0.8], success_high=[0.2, 0.6, 1.0])])
    curve, other = exact.curve("success"), estimated.curve("success")
    assert curve is not None
    assert curve.band is None
    assert other is not None
    assert other.band is not None
    assert other.band[0].tolist() == [0.0, 0.4, 0.8]
    assert exact.curve("nothing") is None


def test_bounds_and_ends_are_the_last_numbers() -> None:
    (arm,) = group_runs(
        [recorded(optimal_return=[math.nan, 1.0, math.nan]), recorded(seed=1, success=[0, 0, math.nan])]
    )
    assert arm.bound("optimal_return") == 1.0
    assert math.isnan(arm.bound("random_return"))
    assert arm.final("success") == {0: 0.9}


def test_settings_are_told_by_their_whole_names() -> None:
    flat = flat_settings(recorded("env.arguments.parent={kind: noisy, flip: 0.1}"))
    assert flat["env.arguments.parent.flip"] == "0.1"
    assert flat["policy.width"] == "64"
