"""Hidden features with the attributes of the observations behind them: from a log's samples or a live model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wmil_agents.evaluation.policy_table import Model, actor_critic, as_tensors, evaluating
from wmil_agents.runs.episodes import Episodes
from wmil_envs.attribute import AttributeSpace

LAST = 0.25
"""Of the sampled steps."""


@dataclass(frozen=True)
class HiddenFeatures:
    """Features and what was seen, row by row."""

    features: NDArray[Any]
    """(n, d)."""
    attributes: Mapping[str, NDArray[Any]]
    """(n,) for each column of the observations."""


def logged_features(episodes: Episodes, last: float = LAST) -> HiddenFeatures:
    """The samples of the last part of a log; early ones are those of another policy.

    Args:
        episodes: of a log with `features` on.
        last: which share of the sampled steps; 1 for all.

    Raises:
        KeyError: features were not logged.
    """
    steps, features, observations = episodes.columns("sample_steps", "sample_features", "sample_observations")
    distinct = np.unique(steps)
    first = distinct[min(len(distinct) - 1, int((1.0 - last) * len(distinct)))]
    names = [one["name"] for one in episodes.about.get("attributes", ())]
    kept = steps >= first
    return HiddenFeatures(features[kept], columns_of(observations[kept], names))


def live_features(model: Model, observations: NDArray[Any]) -> HiddenFeatures:
    """What a policy makes of observations (n, k), which may come from `logged_observations`."""
    policy = actor_critic(model)
    space = policy.observation_space
    names = [one.name for one in space.attributes] if isinstance(space, AttributeSpace) else []
    with torch.no_grad(), evaluating(policy):
        features = policy.extract_features(as_tensors(observations.astype(space.dtype), policy.device))
        features = features[0] if isinstance(features, tuple) else features
    return HiddenFeatures(features.numpy(force=True), columns_of(observations, names))


def logged_observations(episodes: Episodes) -> NDArray[Any]:
    """The distinct observations of a log, those at the ends of episodes included."""
    seen = np.concatenate([episodes.column("observations"), episodes.column("final_observations")])
    return np.unique(seen, axis=0)


def columns_of(observations: NDArray[Any], names: list[str]) -> dict[str, NDArray[Any]]:
    """The columns of observations (n, ...), by these names or by their numbers."""
    rows = observations.reshape(len(observations), -1)
    if len(names) != rows.shape[1]:
        names = [f"column {place}" for place in range(rows.shape[1])]
    return {name: rows[:, place] for place, name in enumerate(names)}
