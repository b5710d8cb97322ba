from __future__ import annotations

from typing import Any

import pytest
import torch
from gymnasium import spaces
from torch import nn

from wmil_agents.policies.module_list import modules_of, set_training
from wmil_agents.policies.transformer_policy import TransformerPolicy


class AlwaysEvaluating(nn.Dropout):
    """Keeps the mode it was made with, as frozen normalisations do."""

    def train(self, mode: bool = True) -> Any:
        return super().train(False)


def shared() -> nn.Sequential:
    one = nn.Linear(2, 2)
    return nn.Sequential(one, nn.Sequential(nn.Dropout(), one), AlwaysEvaluating())


def test_each_module_is_listed_once_in_the_order_of_torch() -> None:
    network = shared()
    assert list(modules_of(network)) == list(network.modules())


def test_the_mode_reaches_every_module_and_those_with_their_own_way_are_asked() -> None:
    network = shared()
    for mode in (False, True):
        set_training(network, mode)
        modes = [module.training for module in network.modules()]
        network.train(mode)
        assert modes == [module.training for module in network.modules()]
    assert not network[2].training


def policy(**kwargs: Any) -> TransformerPolicy:
    return TransformerPolicy(spaces.MultiDiscrete([8, 9, 3]), spaces.Discrete(8), lambda _: 1e-3, **kwargs)


@pytest.mark.parametrize("share", [True, False])
def test_a_policy_lists_its_parameters_as_torch_does(share: bool) -> None:
    network = policy(share_features_extractor=share)
    expected = [id(parameter) for _, parameter in network.named_parameters()]
    assert [id(parameter) for parameter in network.parameters()] == expected
    network.added = nn.Linear(2, 2)
    assert len(list(network.parameters())) == len(expected) + 2
    assert list(network.parameters(recurse=False)) == []


def test_a_policy_changes_its_mode() -> None:
    network = policy()
    network.set_training_mode(False)
    assert not any(module.training for module in network.modules())
    network.set_training_mode(True)
    assert all(module.training for module in network.modules())


def test_logits_that_are_not_numbers_still_raise() -> None:
    network = policy()
    nn.init.constant_(network.action_net.bias, torch.nan)
    with pytest.raises(RuntimeError, match="nan"):
        network(torch.zeros(2, 3, dtype=torch.int32))
