from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO

from wmil_agents.attachment import attach
from wmil_agents.auxiliary_loss import Transitions
from wmil_agents.auxiliary_losses.predicted_column import predicted_columns
from wmil_agents.auxiliary_losses.world_model import WorldModelHead, WorldModelLoss
from wmil_agents.extractors.history import HistoryExtractor
from wmil_agents.policies.transformer_policy import TransformerPolicy
from wmil_agents.vec_env.history import HistoryVecEnv
from wmil_agents.vec_env.history_space import HistorySpace
from wmil_agents.vec_env.make_batch_vec_env import make_batch_vec_env
from wmil_envs.attribute import Attribute, AttributeSpace

SPACE = AttributeSpace(
    [Attribute("symbol", 4), Attribute("noise", 3, predictable=False), Attribute("feedback", 3, optional=True)]
)
FEATURES = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
ACTIONS = torch.tensor([0, 1, 2, 3, 0])
NEXT = torch.tensor([[0, 2, 1], [1, 0, 2], [2, 1, 0], [3, 1, 1], [3, 0, 2]])


def head(space: spaces.Space[Any] = SPACE, actions: spaces.Space[Any] | None = None, **kwargs: Any) -> WorldModelHead:
    torch.manual_seed(0)
    return WorldModelLoss(**kwargs).build(space, actions or spaces.Discrete(4), 16)


def test_the_loss_is_the_mean_surprise_at_the_predictable_attributes() -> None:
    network = head()
    assert [(column.name, column.index) for column in network.columns] == [("symbol", 0), ("feedback", 2)]
    probabilities = network.predict(FEATURES, ACTIONS)
    with torch.no_grad():
        loss, metrics = WorldModelLoss().loss(network, FEATURES, Transitions(NEXT, ACTIONS, NEXT))
    surprises, errors = [], []
    for row in range(5):
        for k, column in enumerate((0, 2)):
            surprises.append(-np.log(float(probabilities[row, k, NEXT[row, column]])))
            n_values = (4, 3)[k]
            one_hot = np.eye(n_values)[NEXT[row, column]]
            errors.append(np.mean((probabilities[row, k, :n_values].numpy() - one_hot) ** 2))
    assert float(loss) == pytest.approx(np.mean(surprises), rel=1e-5)
    assert float(metrics["error"]) == pytest.approx(np.mean(errors), rel=1e-5)


def test_probabilities_sum_to_one_over_the_values_that_exist() -> None:
    probabilities = head(predictable_only=False).predict(FEATURES, ACTIONS)
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(5, 3))
    assert (probabilities[:, 1:, 3] == 0).all()


def test_predictions_depend_on_features_and_on_the_action() -> None:
    network = head()
    before = network.predict(FEATURES, ACTIONS)
    assert not torch.allclose(before, network.predict(FEATURES + 1, ACTIONS))
    assert not torch.allclose(before, network.predict(FEATURES, (ACTIONS + 1) % 4))


def test_features_and_every_parameter_of_the_head_have_a_gradient() -> None:
    network, features = head(), FEATURES.clone().requires_grad_()
    WorldModelLoss().loss(network, features, Transitions(NEXT, ACTIONS, NEXT))[0].backward()
    assert features.grad is not None
    assert features.grad.any()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(
    ("space", "following", "targets"),
    [
        (spaces.Discrete(4), torch.tensor([3, 1]), [[3], [1]]),
        (spaces.Discrete(4), torch.tensor([[3], [1]]), [[3], [1]]),
        (spaces.MultiDiscrete([4, 2]), torch.tensor([[3, 1], [0, 0]]), [[3, 1], [0, 0]]),
        (spaces.MultiBinary(2), torch.tensor([[1, 0], [0, 1]]), [[1, 0], [0, 1]]),
        (
            spaces.Dict({"a": spaces.Discrete(4), "b": spaces.Box(0, 1, (2,)), "c": spaces.MultiDiscrete([2, 3])}),
            {"a": torch.tensor([[3], [1]]), "b": torch.rand(2, 2), "c": torch.tensor([[1, 2], [0, 1]])},
            [[3, 1, 2], [1, 0, 1]],
        ),
    ],
    ids=["discrete", "discrete column", "multi discrete", "multi binary", "dict"],
)
def test_every_kind_of_category_is_a_target(space: spaces.Space[Any], following: Any, targets: list[list[int]]) -> None:
    assert head(space).targets(following).tolist() == targets


@pytest.mark.parametrize(
    ("space", "actions"),
    [
        (spaces.Discrete(3), torch.tensor([0, 2])),
        (spaces.MultiDiscrete([2, 3]), torch.tensor([[1, 0], [0, 2]])),
        (spaces.MultiBinary(3), torch.tensor([[1, 0, 1], [0, 0, 1]])),
        (spaces.Box(-1, 1, (2,)), torch.tensor([[0.5, 0.0], [-0.5, 1.0]])),
    ],
    ids=["discrete", "multi discrete", "multi binary", "box"],
)
def test_every_kind_of_action_can_be_embedded(space: spaces.Space[Any], actions: torch.Tensor) -> None:
    predicted = head(actions=space).predict(torch.zeros(2, 16), actions)
    assert not torch.allclose(predicted[0], predicted[1])


def test_numbers_cost_the_huber_loss_and_categories_keep_their_share() -> None:
    space = spaces.Dict({"a": spaces.Discrete(4), "b": spaces.Box(-9, 9, (2,)), "c": spaces.Box(0, 9, (1,), np.uint8)})
    network, following = head(space), {"a": NEXT[:, :1], "b": 4 * torch.randn(5, 2), "c": torch.zeros(5, 1)}
    assert [(column.name, column.entry, column.index) for column in network.number_columns] == [
        ("b0", "b", 0),
        ("b1", "b", 1),
    ]
    with torch.no_grad():
        loss, metrics = WorldModelLoss().loss(network, FEATURES, Transitions(following, ACTIONS, following))
    misses = (network.predict_numbers(FEATURES, ACTIONS) - following["b"]).abs()
    assert (misses < 1).any()
    assert (misses > 1).any()
    huber = torch.where(misses < 1, misses.square() / 2, misses - 0.5)
    probabilities = network.predict(FEATURES, ACTIONS)[:, 0]
    surprise = -probabilities[torch.arange(5), NEXT[:, 0]].log().mean()
    assert float(loss) == pytest.approx(float((surprise + 2 * huber.mean()) / 3), rel=1e-5)
    one_hot = torch.nn.functional.one_hot(NEXT[:, 0], 4)
    squares = torch.cat([(probabilities - one_hot).square().mean(1, keepdim=True), misses.square()], dim=1)
    torch.testing.assert_close(network.squared_errors(FEATURES, ACTIONS, following), squares)
    assert float(metrics["error"]) == pytest.approx(float(squares.mean()), rel=1e-5)


def test_numbers_alone_have_gradients_for_features_and_every_parameter() -> None:
    network, features, following = head(spaces.Box(-1, 1, (3,))), FEATURES.clone().requires_grad_(), torch.rand(5, 3)
    WorldModelLoss().loss(network, features, Transitions(following, ACTIONS, following))[0].backward()
    assert features.grad is not None
    assert features.grad.any()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert network.predict(FEATURES, ACTIONS).shape == (5, 0, 0)


@pytest.mark.parametrize("space", [spaces.Box(-1, 1, (3,)), spaces.MultiDiscrete([4, 4, 4])])
def test_of_a_history_the_newest_observation_is_the_target(space: spaces.Space[Any]) -> None:
    network = head(HistorySpace(space, spaces.Discrete(4), 5))
    rows = torch.randint(4, (5, 5, 3), generator=torch.Generator().manual_seed(0))
    following = {"observation": rows.float(), "observation_mask": torch.ones(5, 5), "action": torch.zeros(5, 5, 1)}
    picked = network.number_targets if isinstance(space, spaces.Box) else network.targets
    assert picked(following).tolist() == rows[:, -1].tolist()
    assert len(network.columns) + len(network.number_columns) == 3


def test_sets_with_a_mask_are_not_predicted() -> None:
    space = spaces.Dict({"pellets": spaces.Box(-1, 1, (5, 3)), "pellets_mask": spaces.MultiBinary(5)})
    assert {column.entry for column in predicted_columns(space, True)} == {"pellets_mask"}


def test_observations_with_nothing_to_predict_and_unknown_actions_are_refused() -> None:
    with pytest.raises(ValueError, match="WorldModelLoss predicts categories and floats"):
        head(spaces.Box(0, 255, (3,), np.uint8))
    with pytest.raises(ValueError, match="no vectors for Tuple"):
        head(actions=spaces.Tuple([spaces.Discrete(2)]))


def test_numbers_of_a_history_are_learnt_beside_the_policy() -> None:
    env = HistoryVecEnv(make_batch_vec_env("CartPole-v1", 4, seed=0), 4)
    extractor = {"features_extractor_class": HistoryExtractor, "features_extractor_kwargs": {"width": 16}}
    model = attach(
        PPO(TransformerPolicy, env, n_steps=32, batch_size=32, policy_kwargs=extractor, seed=0, device="cpu"),
        [WorldModelLoss(n_replayed=0)],
    )
    model.learn(128)
    losses = [model.logger.name_to_value["train/world_model_loss"]]
    model.learn(896, reset_num_timesteps=False)
    losses.append(model.logger.name_to_value["train/world_model_loss"])
    assert losses[1] < 0.5 * losses[0]


def test_what_is_drawn_anew_each_time_is_learnt_from_fresh_steps_alone() -> None:
    loss, network = WorldModelLoss(predictable_only=False), head(predictable_only=False)

    def amount(n_replayed: int, row: int, column: int, value: int) -> float:
        following = NEXT.clone()
        following[row, column] = value
        return loss.loss(network, FEATURES, Transitions(NEXT, ACTIONS, following, n_replayed=n_replayed))[0].item()

    symbol, noise = 0, 1
    assert amount(2, 4, noise, 0) == amount(2, 4, noise, 1)
    assert amount(2, 2, noise, 0) != amount(2, 2, noise, 1)
    assert amount(2, 4, symbol, 0) != amount(2, 4, symbol, 1)
    assert amount(0, 4, noise, 0) != amount(0, 4, noise, 1)
