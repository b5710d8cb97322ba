"""A features extractor for Stable-Baselines3: attribute tokens and a query token through a transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from wmil_agents.extractors.own_initialisation import OwnInitialisation
from wmil_agents.extractors.tokenize import tokenize
from wmil_agents.networks.transformer import Transformer

Readout = Literal["mean", "query", "max", "concat"]
READ: dict[Readout, slice] = {"mean": slice(1, None), "query": slice(1), "max": slice(1, None), "concat": slice(None)}
"""Which tokens each of them reads; the query token comes first."""


class TransformerExtractor(OwnInitialisation, BaseFeaturesExtractor):
    """Features of an observation: its tokens, with a learned query token as context, through a transformer.

    There are never fewer than two tokens, so attention always has a choice. Tokens of absent attributes are seen by
    nobody, and the read-out leaves them out too. Attributes carry no position: each has its own rows in the table, so
    permuting the attributes together with their rows changes no feature.

    Args:
        observation_space: What `tokenize` accepts.
        width: Size of a token.
        n_layers: Transformer blocks.
        n_heads: Attention heads per block; must divide `width`.
        readout: `"mean"` of the tokens that are present, the query not counted (the default: it learns in the fewest
            steps, with the least spread); `"max"` over them, better where uninformative tokens remain;
            the `"query"` token; or query and mean side by side (`"concat"`, 2 x `width` features).
        max_element_tokens: A vector with more elements than this becomes a single token.
    """

    takes_raw_observations = True
    """A policy may hand over observations as they are, without `preprocess_obs`."""

    def __init__(
        self,
        observation_space: spaces.Space[object],
        width: int = 64,
        n_layers: int = 2,
        n_heads: int = 4,
        readout: Readout = "mean",
        max_element_tokens: int = 32,
    ) -> None:
        if readout not in get_args(Readout):
            raise ValueError(f"readout must be one of {', '.join(get_args(Readout))}, not {readout!r}")
        super().__init__(observation_space, 2 * width if readout == "concat" else width)
        self.readout = readout
        self.tokenizer = tokenize(observation_space, width, max_element_tokens)
        self.query = nn.Parameter(torch.randn(width))
        self.transformer = Transformer(width, n_layers, n_heads)

    def forward(self, observations: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Observations, raw or preprocessed -> features (B, features_dim)."""
        tokens, present = self._with_query(*self.tokenizer.without_absent(observations))
        read: Tensor = self.transformer(tokens, present, READ[self.readout])
        if self.readout == "query":
            return read[:, 0]
        attributes = read[:, 1:] if self.readout == "concat" else read
        if self.readout == "max":
            if present is not None:
                nobody = ~present[:, 1:].any(dim=1, keepdim=True)  # without any attribute the features are 0
                attributes = attributes.masked_fill(~present[:, 1:, None], -torch.inf)
                return attributes.amax(dim=1).masked_fill(nobody, 0.0)
            return attributes.amax(dim=1)
        mean = attributes.mean(dim=1) if present is None else masked_mean(attributes, present[:, 1:])
        return torch.cat([read[:, 0], mean], dim=1) if self.readout == "concat" else mean

    def attention_weights(self, observations: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Attention weights (layers, B, heads, n queries, n keys); token 0 is the query, the attributes follow."""
        return self.transformer.attention_weights(*self._with_query(*self.tokenizer(observations)))

    def _with_query(self, tokens: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The query token, always present, in front of the observation's own tokens."""
        tokens = torch.cat([self.query.expand(tokens.shape[0], 1, -1), tokens], dim=1)
        if present is not None:
            present = torch.cat([present.new_ones(present.shape[0], 1), present], dim=1)
        return tokens, present


def masked_mean(tokens: Tensor, present: Tensor) -> Tensor:
    """Mean over the present tokens, (B, n, width) and (B, n) -> (B, width); 0 where there are none."""
    weights = present.to(tokens.dtype)
    weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1.0)
    return (weights[:, None, :] @ tokens).squeeze(1)
