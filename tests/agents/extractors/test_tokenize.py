from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.utils import obs_as_tensor

from wmil_agents.extractors.tokenize import tokenize
from wmil_envs.attribute import Attribute, AttributeSpace

WIDTH = 8
ENTITIES = spaces.Dict(
    {
        "walls": spaces.Box(-1, 1, (4, 3)),
        "walls_mask": spaces.MultiBinary(4),
        "colour": spaces.Discrete(5),
        "keys": spaces.MultiDiscrete([3, 2]),
        "position": spaces.Box(-1, 1, (2,)),
    }
)
SPACES = {
    "discrete": (spaces.Discrete(6), 1),
    "multi_discrete": (spaces.MultiDiscrete([3, 1, 4]), 3),
    "multi_binary": (spaces.MultiBinary(4), 4),
    "vector": (spaces.Box(-1, 1, (5,)), 5),
    "long_vector": (spaces.Box(-1, 1, (40,)), 1),
    "set": (spaces.Box(-1, 1, (3, 7)), 3),
    "dict": (ENTITIES, 4 + 1 + 2 + 2),
}


def batch(space: spaces.Space[Any], n_rows: int = 6) -> Any:
    space.seed(0)
    rows = [space.sample() for _ in range(n_rows)]
    if isinstance(space, spaces.Dict):
        return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in space.spaces}
    return np.stack([np.asarray(row) for row in rows])


@pytest.mark.parametrize("name", SPACES)
def test_raw_and_preprocessed_observations_give_the_same_tokens(name: str) -> None:
    space, n_tokens = SPACES[name]
    tokenizer = tokenize(space, WIDTH)
    raw = obs_as_tensor(batch(space), torch.device("cpu"))
    tokens, present = tokenizer(raw)
    preprocessed, present_again = tokenizer(preprocess_obs(raw, space))
    assert tokens.shape == (6, n_tokens, WIDTH)
    assert tokenizer.n_tokens == n_tokens
    assert torch.equal(tokens, preprocessed)
    assert (present is None) == (present_again is None) == (name != "dict")
    if present is not None:
        assert torch.equal(present, present_again)


def test_discrete_observations_come_as_a_vector_or_a_column() -> None:
    tokenizer = tokenize(spaces.Discrete(6), WIDTH)
    values = torch.tensor([5, 0, 3])
    assert torch.equal(tokenizer(values)[0], tokenizer(values[:, None])[0])


def test_every_value_of_every_column_has_its_own_token() -> None:
    tokenizer = tokenize(spaces.MultiDiscrete([3, 4]), WIDTH)
    grid = torch.cartesian_prod(torch.arange(3), torch.arange(4))
    tokens, _ = tokenizer(grid)
    distinct = torch.unique(tokens.reshape(-1, WIDTH), dim=0)
    assert len(distinct) == 3 + 4


def test_optional_attributes_are_absent_at_zero_and_others_never() -> None:
    space = AttributeSpace([Attribute("symbol", 3), Attribute("feedback", 3, optional=True)])
    _, present = tokenize(space, WIDTH)(torch.tensor([[0, 0], [0, 2], [1, 0]]))
    assert present.tolist() == [[True, False], [True, True], [True, False]]


def test_columns_that_no_row_has_are_not_looked_up() -> None:
    space = AttributeSpace([Attribute("shape", 4), Attribute("last", 3, optional=True), Attribute("colour", 2)])
    tokenizer, obs = tokenize(space, WIDTH), torch.tensor([[3, 0, 1], [2, 0, 0]])
    tokens, _ = tokenizer(obs)
    fewer, present = tokenizer.without_absent(obs)
    assert present is None
    assert torch.equal(fewer, tokens[:, [0, 2]])


def test_what_stands_in_an_absent_row_is_never_read() -> None:
    tokenizer = tokenize(ENTITIES, WIDTH)
    raw = obs_as_tensor(batch(ENTITIES), torch.device("cpu"))
    raw["walls_mask"][:, 1] = 0
    before, _ = tokenizer(raw)
    raw["walls"][:, 1] = torch.nan
    after, present = tokenizer(raw)
    assert torch.equal(before, after)
    assert not present[:, tokenizer_offset(tokenizer, "walls") + 1].any()


def tokenizer_offset(tokenizer: Any, name: str) -> int:
    index = tokenizer.names.index(name)
    return sum(entry.n_tokens for entry in list(tokenizer.entries)[:index])


@pytest.mark.parametrize(
    ("space", "reason"),
    [
        (spaces.Discrete(4, start=1), "start at 0"),
        (spaces.MultiDiscrete([[2, 3]]), "one dimension"),
        (spaces.Box(0, 255, (8, 8, 3), np.uint8), "no tokenizer"),
        (spaces.Text(3), "no tokenizer"),
        (spaces.Dict({"a": spaces.Box(0, 1, (4, 2)), "a_mask": spaces.MultiBinary(3)}), "one element for each row"),
        (spaces.Dict({}), "at least one entry"),
    ],
)
def test_a_space_without_tokens_is_refused_with_the_reason(space: spaces.Space[Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        tokenize(space, WIDTH)


@pytest.mark.parametrize("space", [spaces.Discrete(1), spaces.MultiDiscrete([1, 1])])
def test_of_columns_with_one_value_a_one_hot_code_is_no_value(space: spaces.Space[Any]) -> None:
    tokenizer = tokenize(space, WIDTH)
    values = torch.zeros(3, tokenizer.n_tokens)
    np.testing.assert_array_equal(
        tokenizer(torch.ones(3, tokenizer.n_tokens))[0].detach(), tokenizer(values.long())[0].detach()
    )
