from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces

from wmil_agents.networks.value_embedding import ValueEmbedding


def test_categories_are_the_sum_of_their_rows() -> None:
    embedding = ValueEmbedding(spaces.MultiDiscrete([3, 2]), 4)
    table = embedding.embed.weight
    torch.testing.assert_close(embedding(torch.tensor([[2, 1], [0, 0]])), table[[2, 0]] + table[[4, 3]])
    torch.testing.assert_close(embedding(torch.tensor([[[2.0, 1.0]]])), (table[2] + table[4])[None, None])


@pytest.mark.parametrize(
    ("space", "n_rows"), [(spaces.Discrete(5), 5), (spaces.MultiBinary(3), 6), (spaces.MultiDiscrete([2, 3, 4]), 9)]
)
def test_every_value_has_a_row(space: spaces.Space, n_rows: int) -> None:
    assert tuple(ValueEmbedding(space, 4).embed.weight.shape) == (n_rows, 4)


def test_numbers_are_projected_whatever_their_shape() -> None:
    embedding = ValueEmbedding(spaces.Box(-1, 1, (2, 3)), 4)
    rows = torch.randn(5, 7, 6)
    torch.testing.assert_close(embedding(rows), rows @ embedding.embed.weight.T + embedding.embed.bias)
    assert embedding(torch.ones(1, 6, dtype=torch.uint8)).dtype == torch.float32


def test_a_space_without_vectors_is_refused() -> None:
    with pytest.raises(ValueError, match="no vectors for Text"):
        ValueEmbedding(spaces.Text(3), 4)
    assert np.isfinite(ValueEmbedding(spaces.Box(-1, 1, (1,)), 4)(torch.ones(1, 1)).detach().numpy()).all()
