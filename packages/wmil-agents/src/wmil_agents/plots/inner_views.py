"""Looks inside a policy, from the samples of its episode log: attention, hidden features, and what these hold.

The analysis of logs imports torch, so it is imported where there is a log: runs without one are read at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wmil_agents.analysis.embedding import principal_components
from wmil_agents.analysis.emergence import Emergence, emergence_step
from wmil_agents.analysis.linear_probe import Probe, probe_attributes
from wmil_agents.runs.episodes import Episodes, read_episodes
from wmil_agents.runs.recorded_arm import RecordedArm
from wmil_agents.runs.run_files import EPISODES

Floats = npt.NDArray[np.float64]

_MOST_COLUMNS = 3
"""By which points are told apart."""


@dataclass(frozen=True)
class AttentionView:
    """What attends to what, at the end of a run and on the way there."""

    tokens: tuple[str, ...]
    weights: Floats
    """(layers, queries, keys) at the last sampled step, mean over its samples and the heads."""
    steps: tuple[int, ...]
    """(T,) the sampled ones."""
    entropies: tuple[float, ...]
    """(T,) mean over layers, heads and queries, in nats."""
    emergence: Emergence
    seed: int


@dataclass(frozen=True)
class FeatureView:
    """Hidden features of the last samples of a run."""

    points: Floats
    """(N, 2) in the plane of their first two principal components."""
    shares: tuple[float, float]
    """Of the variance that each component holds."""
    labels: Mapping[str, tuple[str, ...]]
    """For some attributes the value of each point."""
    probes: Mapping[str, Probe]
    """What a linear probe tells of each attribute."""
    seed: int


def attention_view(arm: RecordedArm) -> AttentionView | None:
    """Of the first run that sampled attention; None where none did.

    Raises:
        InputError: its log is damaged.
    """
    found = _log_with(arm, "sample_attention")
    if found is None:
        return None
    from wmil_agents.analysis.attention import attention_history

    seed, episodes = found
    history = attention_history(episodes)
    steps, entropies = tuple(history.steps.tolist()), tuple(history.entropies.tolist())
    weights = history.weights[-1].mean(axis=1)
    emergence = emergence_step(steps, entropies)
    return AttentionView(history.tokens, weights, steps, entropies, emergence, seed)


def feature_view(arm: RecordedArm) -> FeatureView | None:
    """Of the first run that sampled features; None where none did, or not enough.

    Raises:
        InputError: its log is damaged.
    """
    found = _log_with(arm, "sample_features")
    if found is None:
        return None
    from wmil_agents.analysis.hidden_features import logged_features

    seed, episodes = found
    hidden = logged_features(episodes)
    if min(hidden.features.shape) < 2:
        return None
    plane = principal_components(hidden.features)
    varying = {name: values for name, values in hidden.attributes.items() if len(np.unique(values)) > 1}
    words = _words(episodes)
    labels = {
        name: tuple(_word(words.get(name, ()), value) for value in values.tolist())
        for name, values in list(varying.items())[:_MOST_COLUMNS]
    }
    first, second = np.nan_to_num(plane.shares).tolist()
    return FeatureView(plane.points, (first, second), labels, probe_attributes(hidden.features, varying), seed)


def _log_with(arm: RecordedArm, name: str) -> tuple[int, Episodes] | None:
    """Seed and log of the first run of which any block has an array of this name."""
    for run in arm.runs:
        if any((run.folder / EPISODES).glob("block-*.json")):
            episodes = read_episodes(run.folder)
            if any(name in about["arrays"] for about in episodes.abouts):
                return run.settings.seed, episodes
    return None


def _words(episodes: Episodes) -> dict[str, list[str]]:
    """What the values of each attribute are called."""
    found: dict[str, list[str]] = {}
    for one in episodes.about.get("attributes", ()):
        if isinstance(one.get("labels"), list):
            found[str(one["name"])] = [str(word) for word in one["labels"]]
    return found


def _word(words: Sequence[str], value: Any) -> str:
    return words[int(value)] if 0 <= value < len(words) else f"{value:g}"
