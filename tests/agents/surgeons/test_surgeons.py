"""What holds of every surgeon, and what each of the simple ones does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wmil_agents.surgeons import (
    CalibrationSurgeon,
    EvolutionSurgeon,
    FineTuning,
    GradientSurgeon,
    NoSurgeon,
    Patient,
    RandomSurgeon,
    SACSurgeon,
    ShuffledReadings,
    SurgeryEnv,
)
from wmil_agents.surgeons.gradient_surgeon import slopes_of_weights, weight_gradients
from wmil_agents.surgeons.score import mean_score
from wmil_agents.surgery import Gains, Scale

Make = Callable[[Patient], tuple[Any, Any]]

DAMAGE = Gains("*", [0.6, -0.5, 0.4, -0.3, 0.5, -0.6, 0.3, 0.4])
"""Of a patient with two layers of two heads."""


def sac(patient: Patient) -> tuple[Any, Any]:
    env = SurgeryEnv(patient)
    return SACSurgeon(env, policy_kwargs={"net_arch": [8]}), env


def fine_tuning(patient: Patient) -> tuple[Any, Any]:
    surgeon = FineTuning(patient.model, 8)
    return surgeon, SurgeryEnv(patient, edits=surgeon.edits)


def calibration(patient: Patient) -> tuple[Any, Any]:
    env = SurgeryEnv(patient)
    return CalibrationSurgeon(env), env


SURGEONS: dict[str, Make] = {
    "none": lambda patient: (NoSurgeon(), SurgeryEnv(patient)),
    "random": lambda patient: (RandomSurgeon(0), SurgeryEnv(patient)),
    "es5": lambda patient: (EvolutionSurgeon(5), SurgeryEnv(patient)),
    "gradient8": lambda patient: (GradientSurgeon(8), SurgeryEnv(patient)),
    "finetune8": fine_tuning,
    "calibrate": calibration,
    "sac": sac,
}
N_EVALUATIONS = {"none": 0, "random": 4, "es5": 5, "gradient8": 6, "finetune8": 6, "calibrate": 4, "sac": 4}


@pytest.mark.parametrize("name", SURGEONS)
def test_every_surgeon_ends_the_operation_and_leaves_every_bit(name: str, patient: Patient, bits: Any) -> None:
    before = bits(patient)
    surgeon, env = SURGEONS[name](patient)
    observation, _ = env.reset(options={"fault": DAMAGE})
    info = surgeon.operate(env, observation)
    assert (surgeon.name, surgeon.n_evaluations) == (name, N_EVALUATIONS[name])
    assert surgeon.learns == (name == "sac")
    assert {"held_out", "held_out_before", "held_out_healthy", "regained"} <= set(info)
    if name != "es5":  # which changes nothing where no trial is better
        assert (info["held_out"] == info["held_out_before"]) == (name == "none")
    assert bits(patient) == before
    with pytest.raises(Exception, match="call reset first"):
        env.conclude()


@pytest.mark.parametrize("name", SURGEONS)
def test_a_surgeon_goes_on_from_its_state_in_another_one(name: str, make_small: Any) -> None:
    def operated(surgeon: Any, env: Any) -> float:
        observation, _ = env.reset(options={"fault": DAMAGE})
        return float(surgeon.operate(env, observation)["held_out"])

    first, env = SURGEONS[name](make_small())
    operated(first, env)
    state = first.state_dict()
    second, other = SURGEONS[name](make_small())
    second.load_state_dict(state)
    assert operated(second, other) == operated(first, env)


def test_only_those_who_draw_depend_on_the_seed(patient: Patient) -> None:
    env = SurgeryEnv(patient)
    for make in (RandomSurgeon, lambda seed: EvolutionSurgeon(3, seed)):
        scores = []
        for seed in (0, 0, 1):
            observation, _ = env.reset(options={"fault": DAMAGE})
            scores.append(make(seed).operate(env, observation)["search_score"])
        assert scores[0] == scores[1] != scores[2]


def test_evolution_never_leaves_less_than_it_found_on_the_search_items(patient: Patient) -> None:
    env = SurgeryEnv(patient)
    reached = []
    for n_evaluations in (1, 10, 60):
        observation, info = env.reset(options={"fault": DAMAGE})
        n_before = env.n_evaluations
        EvolutionSurgeon(n_evaluations, seed=3).operate(env, observation)
        assert env.n_evaluations - n_before == n_evaluations
        env.reset(options={"fault": (DAMAGE, Gains("*", env.strengths))})  # what it settled on, as a fault
        reached.append(env.search_score() - info["search_score"])
    assert 0.0 <= reached[0] <= reached[1] <= reached[2]
    assert reached[2] > 0.01


def test_evolution_refuses_to_do_nothing() -> None:
    with pytest.raises(ValueError, match="n_evaluations must be at least 1, not 0"):
        EvolutionSurgeon(0)


def test_the_worth_with_a_graph_is_the_score(patient: Patient) -> None:
    worth = patient.search.worth(patient.model)  # type: ignore[attr-defined]  # a BankScore
    np.testing.assert_allclose(worth.detach().numpy(), patient.search(patient.model), atol=1e-6)
    assert worth.requires_grad


def test_the_slopes_in_the_strengths_are_those_of_the_score(patient: Patient) -> None:
    env = SurgeryEnv(patient)
    env.reset(options={"fault": DAMAGE})
    strengths = np.linspace(-0.3, 0.3, 8)
    env.set_strengths(strengths)
    with env.operating() as theater:
        found = slopes_of_weights(theater, weight_gradients(patient.search, patient.model))
        assert theater.strengths == pytest.approx(strengths)
        for number in range(8):
            scores = []
            for nudge in (0.02, -0.02):
                theater.operate(strengths + nudge * np.eye(8)[number])
                scores.append(mean_score(patient.search, patient.model))
            assert found[number] == pytest.approx((scores[0] - scores[1]) / 0.04, abs=2e-4)
    assert np.abs(found).max() > 0.01
    assert all(parameter.grad is None for parameter in patient.model.parameters())  # type: ignore[union-attr]  # a policy


@pytest.mark.parametrize("name", ["gradient", "finetune"])
def test_following_the_gradient_raises_the_search_score(
    name: str, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    surgeon: Any = GradientSurgeon(30, 0.1) if name == "gradient" else FineTuning(patient.model, 30, 1e-3)
    env = SurgeryEnv(patient, edits=getattr(surgeon, "edits", None))
    conclude, reached = env.conclude, []

    def look_and_conclude() -> dict[str, Any]:
        reached.append(env.search_score())
        return conclude()

    monkeypatch.setattr(env, "conclude", look_and_conclude)
    observation, info = env.reset(options={"fault": DAMAGE})
    surgeon.operate(env, observation)
    assert reached[0] > info["search_score"] + 0.01


def test_a_gradient_needs_a_score_that_has_one(patient: Patient) -> None:
    with pytest.raises(TypeError, match="not of a function"):
        weight_gradients(lambda model: np.zeros(1), patient.model)  # type: ignore[arg-type]  # which is refused
    with pytest.raises(ValueError, match="costs 3 evaluations"):
        GradientSurgeon(2)


def test_fine_tuning_asks_for_its_own_edits(patient: Patient) -> None:
    env = SurgeryEnv(patient)
    observation, _ = env.reset()
    with pytest.raises(ValueError, match=r"edits=surgeon\.edits"):
        FineTuning(patient.model).operate(env, observation)


def test_calibration_undoes_gains_without_a_look_at_the_score(patient: Patient) -> None:
    env = SurgeryEnv(patient)
    surgeon = CalibrationSurgeon(env)
    assert surgeon.n_record_evaluations == 17
    observation, _ = env.reset(options={"fault": DAMAGE})
    observation[env.observation_names.index("search_score")] = np.nan
    surgeon.operate(env, observation)
    np.testing.assert_allclose(env.strengths, -np.array(DAMAGE.strength), atol=0.02)


def test_calibration_does_not_cure_a_flipped_head_whose_readings_are_as_in_health(make_small: Any) -> None:
    patient = make_small(n_layers=1)
    env = SurgeryEnv(patient)
    surgeon = CalibrationSurgeon(env)
    observation, _ = env.reset(options={"fault": Scale(f"{env.readings.heads[0]}.out", -2.0)})
    info = surgeon.operate(env, observation)
    np.testing.assert_allclose(env.strengths, 0.0, atol=1e-4)
    assert info["held_out"] == pytest.approx(info["held_out_before"], abs=1e-4)


def test_shuffled_readings_are_of_another_moment_and_nothing_else_is_changed(patient: Patient) -> None:
    plain, env = SurgeryEnv(patient), ShuffledReadings(SurgeryEnv(patient))
    n_readings, n_same, seen = len(plain.readings.names), 0, []
    for number in range(40):
        if number % 4 == 0:
            true, shown = plain.reset(seed=number)[0], env.reset(seed=number)[0]
        else:
            action = plain.action_space.sample()
            true, shown = plain.step(action)[0], env.step(action)[0]
        seen.append(true[:n_readings].tobytes())
        np.testing.assert_array_equal(true[n_readings:], shown[n_readings:])
        assert shown[:n_readings].tobytes() in seen
        n_same += shown[:n_readings].tobytes() == seen[-1]
    assert n_same < 15
