from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch

from wmil_agents.evaluation.exact import evaluate_exactly
from wmil_agents.surgeons import BankScore, Patient, mean_score
from wmil_agents.surgery import Gains, SurgicalTheater
from wmil_envs.world import World


def test_the_score_of_all_instances_is_the_exact_return(world: World, patient: Patient) -> None:
    everything = BankScore(world)
    assert mean_score(everything, patient.model) == pytest.approx(
        evaluate_exactly(patient.model, world).episode_return.value, abs=1e-6
    )


def test_an_item_is_the_expected_reward_of_one_instance(world: World, patient: Patient) -> None:
    instances = np.flatnonzero(world.bank.start_probabilities(world.level))[[5, 17, 200]]
    score = BankScore(world, instances)
    with torch.no_grad():
        answers = patient.model.get_distribution(torch.as_tensor(score.observations)).distribution.probs
    by_hand = [float(answers[row, world.bank.correct[instance]]) for row, instance in enumerate(instances)]
    np.testing.assert_allclose(score(patient.model), by_hand, rtol=1e-6)
    np.testing.assert_allclose(score.weights, 1 / 3)


def test_a_noisy_parent_pays_less_for_a_right_answer(patient: Patient) -> None:
    env = gym.make("wmil_envs:WMIL/SequenceNext-v0", level=4, parent={"kind": "noisy", "flip": 0.25})
    noisy, plain = BankScore(env.unwrapped.world), patient.search
    exact = BankScore(env.unwrapped.world, plain.instances)
    np.testing.assert_allclose(exact(patient.model), 0.25 + 0.5 * plain(patient.model), rtol=1e-6)
    assert len(noisy.weights) == 336


def test_it_leaves_mixed_training_flags_and_generators_as_they_were(patient: Patient) -> None:
    patient.model.train()
    patient.model.features_extractor.transformer.blocks[1].eval()
    flags = [part.training for part in patient.model.modules()]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = patient.search(patient.model)
    assert [part.training for part in patient.model.modules()] == flags
    assert torch.equal(torch.get_rng_state(), before)
    assert (patient.search(patient.model) == first).all()


def test_other_weights_get_another_score(patient: Patient) -> None:
    before = mean_score(patient.search, patient.model)
    with SurgicalTheater(patient.model, Gains("*", 1.0)):
        assert abs(mean_score(patient.search, patient.model) - before) > 1e-3
    assert mean_score(patient.search, patient.model) == before


def test_a_split_has_every_instance_once_in_the_shares_asked_for(world: World) -> None:
    parts = BankScore.split(world, (0.5, 0.25, 0.25), seed=3)
    assert [len(part.weights) for part in parts] == [168, 84, 84]
    assert np.unique(np.concatenate([part.instances for part in parts])).size == 336
    assert all(part.weights.sum() == pytest.approx(1.0) for part in parts)
    again, other = BankScore.split(world, seed=3), BankScore.split(world, seed=4)
    assert (again[0].instances == parts[0].instances).all()
    assert (other[0].instances != parts[0].instances).any()


def test_instances_that_look_the_same_stay_together() -> None:
    hidden = gym.make("wmil_envs:WMIL/SequenceNext-v0", level=5).unwrapped.world
    assert hidden.bank.has_hidden_attributes
    looks = [set(map(tuple, part.observations.tolist())) for part in BankScore.split(hidden)]
    assert not any(looks[one] & looks[other] for one, other in ((0, 1), (0, 2), (1, 2)))


def test_what_cannot_be_scored_is_refused_with_the_way_out(world: World) -> None:
    several = gym.make("wmil_envs:WMIL/SequenceNext-v0", level=4, horizon=3).unwrapped.world
    with pytest.raises(ValueError, match="this one has 3: use EpisodeScore"):
        BankScore(several)
    with pytest.raises(ValueError, match="at least one instance"):
        BankScore(world, [])
    with pytest.raises(ValueError, match="from which episodes of the world's level start"):
        BankScore(world, [100_000])
    with pytest.raises(ValueError, match="sum to 1"):
        BankScore.split(world, (0.5, 0.2))
    with pytest.raises(ValueError, match="too few to be split into 400 parts"):
        BankScore.split(world, [1 / 400] * 400)
    with pytest.raises(TypeError, match="does not say how likely"):
        BankScore(world)(torch.nn.Linear(2, 2))


def test_a_parent_that_was_not_asked_yet_is_refused(lazy_rule: type) -> None:
    env = gym.make("wmil_envs:WMIL/PatternEcho-v0")
    world = World(env.unwrapped.task, parent=lazy_rule(env.unwrapped.task))
    with pytest.raises(ValueError, match="has judged 0 of 64 pairs of instance and action: fill the table first"):
        BankScore(world)
