"""A features extractor for histories: a causal transformer over (observation, previous action) pairs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from wmil_agents.extractors.own_initialisation import OwnInitialisation
from wmil_agents.networks.positions import PositionKind, make_positions
from wmil_agents.networks.transformer import Transformer
from wmil_agents.networks.value_embedding import ValueEmbedding
from wmil_agents.vec_env.history_space import HistorySpace
from wmil_envs.integer import checked_integer

TRACE_DECAY = 0.99 * 0.95
"""gamma lambda with the usual discount and the usual lambda of advantage estimation."""


class HistoryExtractor(OwnInitialisation, BaseFeaturesExtractor):
    """Features of a history: one token for each pair, through a causal transformer, read at the newest.

    A token is the vector of the observation plus that of the action before it, a learned one where there was none. Rows
    that are not there are seen by nobody, and none sees a later one.

    Args:
        observation_space: What `HistoryVecEnv` gives.
        width: Size of a token and number of features.
        n_layers: Transformer blocks.
        n_heads: Attention heads per block; must divide `width`.
        positions: How the order is told: `"learned"` vectors, `"rotary"` queries and keys, or the `"trace"` bias
            log(gamma lambda) x distance on the scores.
        trace_decay: gamma lambda of the `"trace"` bias.
    """

    takes_raw_observations = True
    """A policy may hand over observations as they are, without `preprocess_obs`."""

    def __init__(
        self,
        observation_space: spaces.Space[object],
        width: int = 64,
        n_layers: int = 2,
        n_heads: int = 4,
        positions: PositionKind = "learned",
        trace_decay: float = TRACE_DECAY,
    ) -> None:
        if not isinstance(observation_space, HistorySpace):
            raise ValueError(f"HistoryExtractor needs histories: wrap the env, HistoryVecEnv(env); {observation_space}")
        checked_integer("the width of HistoryExtractor", width, at_least=1)
        super().__init__(observation_space, width)
        length = observation_space.length
        self.observation_embedding = ValueEmbedding(observation_space.observation_space, width)
        self.action_embedding = ValueEmbedding(observation_space.action_space, width)
        self.no_action = nn.Parameter(torch.randn(width))
        order = make_positions(positions, length, width, n_heads, trace_decay)
        self.transformer = Transformer(width, n_layers, n_heads, causal=True, positions=order)

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Histories, raw or preprocessed -> features of the newest pair (B, width)."""
        return self.transformer.newest(*self._tokens(observations))

    def sequence(self, observations: Mapping[str, Tensor]) -> Tensor:
        """The features at every position, (B, length, width); where there is no pair they mean nothing."""
        features: Tensor = self.transformer(*self._tokens(observations))
        return features

    def attention_weights(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Attention weights (layers, B, heads, n queries, n keys), the oldest first."""
        return self.transformer.attention_weights(*self._tokens(observations))

    def _tokens(self, observations: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """A token for each pair, (B, length, width), and whether it is there, (B, length)."""
        present, acted = observations["observation_mask"] > 0.5, observations["action_mask"] > 0.5
        # What stands in a row that is not there may be anything, not-a-number or no category included.
        seen = observations["observation"].masked_fill(~present[..., None], 0)
        done = observations["action"].masked_fill(~acted[..., None], 0)
        led_here = torch.where(acted[..., None], self.action_embedding(done), self.no_action)
        return self.observation_embedding(seen) + led_here, present
