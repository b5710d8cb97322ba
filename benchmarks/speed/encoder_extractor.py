"""The transformer that a user of Stable-Baselines3 would write: `nn.TransformerEncoder` over the one-hot columns."""

from __future__ import annotations

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn


class EncoderExtractor(BaseFeaturesExtractor):
    """A token for each column and a query token, 2 x 64, no dropout, the mean of the tokens: as large as ours."""

    def __init__(self, observation_space: spaces.MultiDiscrete, width: int = 64, n_layers: int = 2) -> None:
        super().__init__(observation_space, width)
        self.sizes = observation_space.nvec.tolist()
        self.embeddings = nn.ModuleList(nn.Linear(n, width) for n in self.sizes)
        self.query = nn.Parameter(torch.randn(1, 1, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, n_layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, observations: Tensor) -> Tensor:
        """One-hot columns side by side (B, sum of sizes) -> (B, width)."""
        columns = torch.split(observations, self.sizes, dim=1)
        tokens = [embed(column) for embed, column in zip(self.embeddings, columns, strict=True)]
        query = self.query.expand(len(observations), 1, -1)
        encoded: Tensor = self.encoder(torch.cat([query, torch.stack(tokens, dim=1)], dim=1))
        return encoded.mean(dim=1)
