from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import SAC

from wmil_agents.checkpoints.generators import global_generators
from wmil_agents.evaluation.intervals import bootstrap_interval
from wmil_agents.surgeons import EvolutionSurgeon, Patient, SACSurgeon, SurgeryEnv, make_patient

TINY: dict[str, Any] = {"policy_kwargs": {"net_arch": [8]}, "batch_size": 8, "learning_starts": 8}


def weights(surgeon: SACSurgeon) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in surgeon.model.policy.parameters()]


def shared() -> np.ndarray:
    """The words of the generators that all share."""
    state = global_generators()
    return np.concatenate([state["python"]["words"], state["numpy"]["state"]["key"], state["torch"].numpy()])


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_it_is_stock_sac_with_the_stated_settings(patient: Patient) -> None:
    surgeon = SACSurgeon(SurgeryEnv(patient))
    assert type(surgeon.model) is SAC
    model: Any = surgeon.model
    assert (model.learning_rate, model.batch_size, model.gamma, model.target_entropy) == (1e-3, 256, 0.9, -8.0)
    assert surgeon.normaliser.norm_obs
    assert not surgeon.normaliser.norm_reward


def test_the_seed_alone_decides_and_no_shared_generator_is_touched(make_small: Any) -> None:
    trained = []
    for seed in (0, 0, 1):
        torch.rand(3)  # what others draw makes no difference
        before = shared()
        surgeon = SACSurgeon(SurgeryEnv(make_small()), seed, **TINY)
        assert np.array_equal(shared(), before)
        surgeon.train(16)
        assert np.array_equal(shared(), before)
        trained.append(weights(surgeon))
    assert same(trained[0], trained[1])
    assert not same(trained[0], trained[2])


def test_training_and_operations_may_take_turns(patient: Patient, bits: Any) -> None:
    healthy = bits(patient)
    env = SurgeryEnv(patient)
    surgeon = SACSurgeon(env, **TINY)
    surgeon.train(10)  # ends within an episode
    observation, _ = env.reset()
    learnt = weights(surgeon)
    info = surgeon.operate(env, observation)
    assert same(learnt, weights(surgeon))
    assert "regained" in info
    surgeon.train(8)
    assert surgeon.model.num_timesteps == 18
    assert not same(learnt, weights(surgeon))
    assert bits(patient) == healthy
    model: Any = surgeon.model
    ends = model.replay_buffer.dones[:18, 0]
    assert np.flatnonzero(ends).tolist() == [3, 7, 13, 17]  # the operation in between is not in it


def test_a_surgeon_that_learns_online_learns_from_what_it_does(patient: Patient) -> None:
    env = SurgeryEnv(patient)
    surgeon = SACSurgeon(env, learns_online=True, **TINY)
    for number in range(1, 5):
        observation, _ = env.reset()
        n_before, learnt = env.n_evaluations, weights(surgeon)
        info = surgeon.operate(env, observation)
        assert "regained" in info
        assert surgeon.n_evaluations == 4
        assert env.n_evaluations - n_before == 5  # and the next episode's first
        assert surgeon.model.num_timesteps == 4 * number
        assert same(learnt, weights(surgeon)) == (number <= 2)  # learning starts after 8
    model: Any = surgeon.model
    buffer = model.replay_buffer
    np.testing.assert_array_equal(buffer.dones[:16, 0], [0, 0, 0, 1] * 4)
    lefts = buffer.observations[:16, 0, -1]
    np.testing.assert_allclose(lefts, [1.0, 0.75, 0.5, 0.25] * 4)  # as they are, not normalised
    with pytest.raises(ValueError, match="operates in the environment that it was made with"):
        surgeon.operate(SurgeryEnv(patient), observation)


def test_it_goes_on_to_the_same_bits(make_small: Any) -> None:
    env = SurgeryEnv(make_small())
    surgeon = SACSurgeon(env, **TINY)
    surgeon.train(14)
    observation, _ = env.reset()
    surgeon.operate(env, observation)
    other = SACSurgeon(SurgeryEnv(make_small()), **TINY)
    other.load_state_dict(deepcopy(surgeon.state_dict()))
    for one in (surgeon, other):
        one.train(10)
    assert same(weights(surgeon), weights(other))
    assert surgeon.model.num_timesteps == other.model.num_timesteps == 24


@pytest.mark.slow  # two minutes
def test_after_3000_edits_it_beats_as_many_evaluations_of_evolution_over_seeds() -> None:
    differences = []
    for seed in range(2):
        env = SurgeryEnv(make_patient())
        surgeon = SACSurgeon(env, seed)
        env.measure_held_out = False
        surgeon.train(3_000)
        env.measure_held_out = True
        for number in range(20):
            shares = []
            for one in (surgeon, EvolutionSurgeon(4, seed)):
                observation, _ = env.reset(seed=1_000_000 + number)
                shares.append(one.operate(env, observation)["regained"])
            differences.append(shares[0] - shares[1])
    low, _ = bootstrap_interval(differences, np.mean, np.random.default_rng(0))
    assert low > 0.0
