"""Attention as it is: weights by layer and head, their entropy, and how they changed while learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wmil_agents.evaluation.policy_table import Model, actor_critic, as_tensors, evaluating
from wmil_agents.extractors.token_names import token_names
from wmil_agents.runs.episodes import Episodes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AttentionMaps:
    """Mean attention weights over some observations."""

    weights: Floats
    """(layers, heads, queries, keys); a row of keys sums to 1."""
    tokens: tuple[str, ...]
    """What queries and keys are."""
    n: int
    """Observations."""


@dataclass(frozen=True)
class AttentionHistory:
    """Attention maps at some steps of learning."""

    steps: NDArray[np.int64]
    weights: Floats
    """(steps, layers, heads, queries, keys)."""
    entropies: Floats
    """(steps,) mean entropy in nats."""
    tokens: tuple[str, ...]


def attention_weights(model: Model, observations: Any) -> Floats:
    """The weights (n, layers, heads, queries, keys) of a live policy at observations (n, ...), raw ones.

    Raises:
        TypeError: the policy has no attention.
    """
    policy = actor_critic(model)
    token_names(policy.pi_features_extractor, policy.observation_space)
    extractor: Any = policy.pi_features_extractor
    with torch.no_grad(), evaluating(policy):
        weights = extractor.attention_weights(as_tensors(observations, policy.device))
    found: Floats = weights.transpose(0, 1).double().numpy(force=True)
    return found


def attention_maps(model: Model, observations: Any) -> AttentionMaps:
    """The mean weights of a live policy over observations."""
    weights, policy = attention_weights(model, observations), actor_critic(model)
    return AttentionMaps(
        weights.mean(0), token_names(policy.pi_features_extractor, policy.observation_space), len(weights)
    )


def attention_entropy(weights: NDArray[Any]) -> Floats:
    """-sum_k w_k log w_k in nats, over the last axis of (..., keys): 0 for one key alone, log k for k alike."""
    weights = np.asarray(weights, np.float64)
    entropy: Floats = -(weights * np.log(weights, out=np.zeros_like(weights), where=weights > 0.0)).sum(-1)
    return entropy


def attention_history(episodes: Episodes) -> AttentionHistory:
    """How attention changed, from the samples of a log.

    Queries that are absent from an observation count as well, as they attend too, though nobody reads them.

    Raises:
        KeyError: attention was not logged.
    """
    steps, weights = episodes.columns("sample_steps", "sample_attention")
    distinct = np.unique(steps)
    maps = np.stack([weights[steps == step].mean(0, dtype=np.float64) for step in distinct])
    entropies = np.array([attention_entropy(weights[steps == step]).mean() for step in distinct])
    return AttentionHistory(distinct, maps, entropies, tuple(episodes.about["attention_tokens"]))
