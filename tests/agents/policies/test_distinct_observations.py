from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from wmil_agents.policies.categorical_table import CategoricalTable
from wmil_agents.policies.distinct_observations import DistinctObservations, is_small
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_envs.attribute import Attribute, AttributeSpace

SPACES = [
    spaces.Discrete(5),
    spaces.Discrete(5, start=3),
    spaces.MultiDiscrete([2, 3, 4]),
    spaces.MultiDiscrete([2, 3], start=[1, 2]),
    spaces.MultiBinary(3),
    AttributeSpace([Attribute("symbol", 4), Attribute("feedback", 3, optional=True)]),
]


def batch(space: spaces.Space[Any], n_rows: int = 200) -> torch.Tensor:
    space.seed(0)
    return torch.as_tensor(np.stack([space.sample() for _ in range(n_rows)]))


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_each_distinct_observation_is_picked_once_and_gives_the_batch_back(space: spaces.Space[Any]) -> None:
    obs = batch(space)
    found = DistinctObservations(space).of(obs)
    assert found is not None
    distinct, rows = found
    assert torch.equal(distinct[rows], obs)
    assert len(distinct) == len(obs.unique(dim=0))


def test_a_batch_of_mostly_different_observations_is_left_as_it_is() -> None:
    assert DistinctObservations(spaces.Discrete(5)).of(torch.arange(5)) is None


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (spaces.Box(-1, 1, (2,)), "is not finite"),
        (spaces.MultiDiscrete([1000, 1000]), "has 1,000,000 observations, more than 65,536"),
    ],
)
def test_a_space_without_a_table_is_refused(space: spaces.Space[Any], sentence: str) -> None:
    assert not is_small(space)
    with pytest.raises(ValueError, match=sentence):
        DistinctObservations(space)
    with pytest.raises(ValueError, match="distinct_observations=True needs a small finite space"):
        policy(space, distinct_observations=True)


def policy(space: spaces.Space[Any] = SPACES[2], actions: Any = None, **kwargs: Any) -> TransformerPolicy:
    torch.manual_seed(0)
    network = TransformerPolicy(space, actions or spaces.Discrete(8), lambda _: 1e-3, **kwargs)
    torch.nn.init.normal_(network.action_net.weight)
    return network


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(
    "actions", [spaces.Discrete(8), spaces.MultiDiscrete([2, 3]), spaces.Box(-1, 1, (2,))], ids=str
)
def test_evaluation_equals_the_plain_one_up_to_the_order_of_floats(actions: spaces.Space[Any], share: bool) -> None:
    obs = batch(SPACES[2])
    taken = batch(actions)
    results = []
    for distinct in (False, True):
        network = policy(actions=actions, distinct_observations=distinct, share_features_extractor=share)
        values, log_prob, entropy = network.evaluate_actions(obs, taken)
        assert entropy is not None
        loss = (log_prob * torch.arange(200)).mean() + values.square().mean() + 0.3 * entropy.mean()
        loss.backward()
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        results.append([values, log_prob, entropy, network.predict_values(obs), *gradients])
    for plain, ours in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=2e-4)


def test_the_networks_run_once_for_each_distinct_observation(monkeypatch: pytest.MonkeyPatch) -> None:
    network = policy(distinct_observations=True)
    seen: list[int] = []
    run = network.features_extractor.forward
    monkeypatch.setattr(network.features_extractor, "forward", lambda obs: seen.append(len(obs)) or run(obs))
    obs = batch(SPACES[2])
    network(obs)
    network.evaluate_actions(obs, batch(spaces.Discrete(8)))
    network.extract_features(obs)
    assert seen == [24, 24, 24]


def test_actions_are_drawn_for_each_row_with_the_probabilities_of_its_own_observation() -> None:
    network = policy(distinct_observations=True)
    distinct = batch(SPACES[2]).unique(dim=0)[:3]
    n = 20_000
    obs = distinct.repeat(n, 1)
    with torch.no_grad():
        actions, _, log_prob = network(obs)
        expected = network.get_distribution(distinct).distribution.probs
        assert torch.equal(network(obs, deterministic=True)[0], expected.argmax(1).repeat(n))
    for index in range(3):
        frequencies = torch.bincount(actions[index::3], minlength=8) / n
        assert float(((frequencies - expected[index]) ** 2 / expected[index]).sum() * n) < 30.0  # chi2(7) < 30: 1e-4
    torch.testing.assert_close(log_prob.exp(), expected.repeat(n, 1).gather(1, actions[:, None]).squeeze(1))


def test_an_action_without_probability_is_never_drawn() -> None:
    network = policy(distinct_observations=True)
    with torch.no_grad():
        network.action_net.bias[torch.tensor([0, 7])] = -1e9
        actions = network(batch(SPACES[2], 20_000))[0]
    assert sorted(actions.unique().tolist()) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("distinct", [False, True])
def test_a_kept_forward_is_the_evaluation_of_the_same_observations(
    distinct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    obs, results = batch(SPACES[2]), []
    for keeps in (False, True):
        network = policy(distinct_observations=distinct)
        network.keeps_forward = keeps
        torch.manual_seed(1)
        with torch.no_grad():
            actions, values, log_prob = network(obs)
        assert not values.requires_grad
        assert not log_prob.requires_grad
        if keeps:
            monkeypatch.setattr(network.features_extractor, "forward", None)
        values, log_prob, entropy = network.evaluate_actions(obs.clone(), actions)
        assert entropy is not None
        (log_prob.sum() + values.sum() + entropy.sum()).backward()
        results.append([log_prob, values, entropy, *(p.grad for p in network.parameters() if p.grad is not None)])
    assert len(results[0]) == len(results[1])
    for plain, kept in zip(*results, strict=True):
        assert torch.equal(plain, kept)


def test_a_kept_forward_is_not_used_for_other_observations_other_weights_or_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, obs, actions = policy(), batch(SPACES[2]), batch(spaces.Discrete(8))
    network.keeps_forward = True
    runs: list[None] = []
    run = network.features_extractor.forward
    monkeypatch.setattr(network.features_extractor, "forward", lambda obs: runs.append(None) or run(obs))

    def n_runs_of_evaluation(rows: torch.Tensor) -> int:
        before = len(runs)
        network.evaluate_actions(rows, actions)[1].sum().backward()
        return len(runs) - before

    def keep() -> None:
        with torch.no_grad():
            network(obs)

    keep()
    assert [n_runs_of_evaluation(obs), n_runs_of_evaluation(obs)] == [0, 1]
    keep()
    assert n_runs_of_evaluation(obs.flip(0)) == 1
    keep()
    with torch.no_grad():
        network.action_net.bias.add_(1.0)
    assert n_runs_of_evaluation(obs) == 1


def test_a_rollout_runs_each_observation_once_and_its_evaluation_none(monkeypatch: pytest.MonkeyPatch) -> None:
    network, obs = policy(distinct_observations=True), batch(SPACES[2])
    network.keeps_forward = True
    plain = network.evaluate_actions(obs, batch(spaces.Discrete(8)))[1].detach()
    runs: list[int] = []
    run = network.features_extractor.forward
    monkeypatch.setattr(network.features_extractor, "forward", lambda obs: runs.append(len(obs)) or run(obs))
    network.set_training_mode(False)
    with torch.no_grad():
        for part in (obs, obs[:50], obs.flip(0)):
            network(part)
    network.set_training_mode(True)
    log_prob = network.evaluate_actions(obs, batch(spaces.Discrete(8)))[1]
    assert runs == [24]
    torch.testing.assert_close(log_prob, plain)
    log_prob.sum().backward()


def test_what_was_said_of_distinct_observations_is_not_said_of_others_or_in_the_next_rollout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, obs = policy(distinct_observations=True), batch(SPACES[2])
    few = obs[(obs[:, 2] < 3)]
    runs: list[int] = []
    run = network.features_extractor.forward
    monkeypatch.setattr(network.features_extractor, "forward", lambda obs: runs.append(len(obs)) or run(obs))
    with torch.no_grad():
        network(few)
        network(obs)
        network(few)
        assert runs == [18, 24]
        network.set_training_mode(False)
        network(few)
    assert runs == [18, 24, 18]
    network.evaluate_actions(few, batch(spaces.Discrete(8))[: len(few)])
    assert runs == [18, 24, 18, 18], "without a history there is nothing to learn from"


def test_a_policy_that_keeps_a_history_can_be_copied() -> None:
    network, obs = policy(distinct_observations=True), batch(SPACES[2])
    network.keeps_forward = True
    with torch.no_grad():
        network(obs)
        copied = copy.deepcopy(network)
        assert torch.equal(copied(obs, deterministic=True)[2], network(obs, deterministic=True)[2])


def test_probabilities_that_are_not_numbers_raise_when_an_action_is_drawn() -> None:
    log_probs = torch.zeros(3, 4).log_softmax(1)
    log_probs[1, 2] = torch.nan
    with pytest.raises(RuntimeError, match="inf or nan"):
        CategoricalTable(log_probs, torch.zeros(5, dtype=torch.long)).sample()
