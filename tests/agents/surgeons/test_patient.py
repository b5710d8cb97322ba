from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from wmil_agents import REINFORCE, TransformerPolicy, make_batch_vec_env
from wmil_agents.evaluation.world_of import world_of
from wmil_agents.surgeons import SurgeryEnv, make_patient, mean_score, patient, patient_of


@pytest.fixture
def taught_a_little(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Default patients that take no seconds; forgotten afterwards."""
    monkeypatch.setattr(patient, "N_UPDATES", 2)
    patient._taught_weights.cache_clear()
    yield
    patient._taught_weights.cache_clear()


@pytest.mark.usefixtures("taught_a_little")
def test_making_a_patient_draws_from_no_shared_generator_and_each_has_a_model_of_its_own() -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  # the global generator is what must be left alone
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002 (the global generator is what is tested)
    first = make_patient()
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002 (the global generator is what is tested)
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    search_score = mean_score(first.search, first.model)
    assert [len(score.weights) for score in (first.search, first.decision, first.held_out)] == [168, 84, 84]

    second = make_patient()
    assert second.model is not first.model
    with torch.no_grad():
        for weights in first.model.parameters():
            weights.zero_()
    assert mean_score(second.search, second.model) == search_score, "taught once, and not shared"


@pytest.mark.slow
def test_the_default_patient_answers_nearly_all() -> None:
    found = make_patient()
    scores = [mean_score(score, found.model) for score in (found.search, found.decision, found.held_out)]
    assert min(scores) > 0.99
    env = SurgeryEnv(found)
    lost = [env.reset(seed=seed)[1]["search_score"] for seed in range(12)]
    assert np.median(lost) < 0.7, "the damage is one that can be seen"


def test_a_live_algorithm_is_a_patient() -> None:
    venv = make_batch_vec_env("wmil_envs:WMIL/Conditional-v0", 4, seed=0)
    model = REINFORCE(TransformerPolicy, venv, seed=0, device="cpu")
    patient = patient_of(model, world_of(venv), seed=3)
    env = SurgeryEnv(patient, faults=())
    _, info = env.reset(seed=0)
    assert info["search_score"] == mean_score(patient.search, model)
    model.learn(400)
    assert env.reset()[1]["search_score"] == mean_score(patient.search, model) != info["search_score"]


def test_a_world_with_several_steps_needs_episodes() -> None:
    venv = make_batch_vec_env("wmil_envs:WMIL/Conditional-v0", 4, seed=0, horizon=2)
    model = REINFORCE(TransformerPolicy, venv, seed=0, device="cpu")
    with pytest.raises(ValueError, match="use EpisodeScore"):
        patient_of(model, world_of(venv))
