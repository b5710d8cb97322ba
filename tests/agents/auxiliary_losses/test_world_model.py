from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from wmil_agents.auxiliary_loss import Transitions
from wmil_agents.auxiliary_losses.world_model import WorldModelHead, WorldModelLoss
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
    embedded = head(actions=space).action_embedding(actions)
    assert embedded.shape == (2, 64)
    assert not torch.allclose(embedded[0], embedded[1])


def test_observations_without_categories_and_unknown_actions_are_refused() -> None:
    with pytest.raises(ValueError, match="WorldModelLoss predicts categories"):
        head(spaces.Box(0, 1, (3,)))
    with pytest.raises(ValueError, match="no world model for actions of"):
        head(actions=spaces.Tuple([spaces.Discrete(2)]))


def test_a_negative_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        WorldModelLoss(scale=-0.1).scale_at(1.0)
