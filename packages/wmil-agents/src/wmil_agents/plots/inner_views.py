"""Two looks inside a policy, from the samples of its episode log: what attends to what, and where features lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wmil_agents.runs.episode_block import Block
from wmil_agents.runs.episodes import read_episodes
from wmil_agents.runs.recorded_arm import RecordedArm
from wmil_agents.runs.recorded_run import RecordedRun
from wmil_agents.runs.run_files import EPISODES

Floats = npt.NDArray[np.float64]

_LATEST = 0.25
"""Share of the last block's samples that is looked at: the trained policy, not the one that it was."""


@dataclass(frozen=True)
class AttentionView:
    """Mean attention over the last samples of a run."""

    tokens: tuple[str, ...]
    weights: Floats
    """(layers, queries, keys), mean over samples and heads."""
    seed: int
    n_samples: int


@dataclass(frozen=True)
class FeatureView:
    """Hidden features of the last samples of a run in the plane of their first two principal components."""

    points: Floats
    """(N, 2)"""
    shares: tuple[float, float]
    """Of the variance that each component holds."""
    labels: Mapping[str, tuple[str, ...]]
    """For some columns the value of each point."""
    seed: int


def attention_view(arm: RecordedArm) -> AttentionView | None:
    """Of the first run that sampled attention; None where none did.

    Raises:
        InputError: its log is damaged.
    """
    found = _last_block(arm, "sample_attention")
    if found is None:
        return None
    run, block = found
    samples = _latest(block["sample_attention"]).astype(np.float64)  # (N, layers, heads, queries, keys)
    n_tokens = samples.shape[-1]
    names = [str(name) for name in _list(block.about.get("attention_tokens"))]
    tokens = names if len(names) == n_tokens else [str(i) for i in range(n_tokens)]
    return AttentionView(tuple(tokens), samples.mean(axis=(0, 2)), run.settings.seed, len(samples))


def feature_view(arm: RecordedArm) -> FeatureView | None:
    """Of the first run that sampled features; None where none did.

    Raises:
        InputError: its log is damaged.
    """
    found = _last_block(arm, "sample_features")
    if found is None:
        return None
    run, block = found
    features = _latest(block["sample_features"]).astype(np.float64)  # (N, features)
    centred = features - features.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    signs = np.where(left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])] < 0, -1.0, 1.0)
    points = (left * singular * signs)[:, :2]
    variance = np.pad(singular**2, (0, 2))
    first, second = (variance / max(float(variance.sum()), 1e-12))[:2].tolist()
    return FeatureView(np.pad(points, ((0, 0), (0, 2)))[:, :2], (first, second), _labels(block), run.settings.seed)


def _last_block(arm: RecordedArm, name: str) -> tuple[RecordedRun, Block] | None:
    """The last block with these samples, of the first run that has any."""
    for run in arm.runs:
        if not any((run.folder / EPISODES).glob("block-*.json")):
            continue
        abouts = read_episodes(run.folder).abouts
        with_samples = [about for about in abouts if _n_rows(about, name) > 1]
        if with_samples:
            first = with_samples[-1]["first_episode"]
            blocks = read_episodes(run.folder, first, first + max(1, with_samples[-1]["n_episodes"]))
            return run, [block for block in blocks if name in block.arrays][-1]
    return None


def _n_rows(about: Mapping[str, Any], name: str) -> int:
    described = about["arrays"].get(name)
    shape = described.get("shape") if isinstance(described, dict) else None
    return shape[0] if isinstance(shape, list) and shape and isinstance(shape[0], int) else 0


def _latest(samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return samples[-max(2, int(_LATEST * len(samples))) :]


def _labels(block: Block) -> dict[str, tuple[str, ...]]:
    """The actions, and the first observed attribute that is not always the same, in words where there are any."""
    found: dict[str, tuple[str, ...]] = {}
    observations = block.arrays.get("sample_observations")
    attributes = [one for one in _list(block.about.get("attributes")) if isinstance(one, dict)]
    if observations is not None and observations.ndim == 2 and len(attributes) == observations.shape[1]:
        latest = _latest(observations)
        varying = [i for i in range(latest.shape[1]) if len(np.unique(latest[:, i])) > 1]
        for i in varying[:2]:
            words = [str(word) for word in _list(attributes[i].get("labels"))]
            values = latest[:, i].tolist()
            found[str(attributes[i].get("name"))] = tuple(_word(words, value) for value in values)
    actions = block.arrays.get("sample_actions")
    if actions is not None and actions.ndim == 1:
        found["action"] = tuple(str(action) for action in _latest(actions).tolist())
    return found


def _word(words: Sequence[str], value: float) -> str:
    place = int(value)
    return words[place] if 0 <= place < len(words) else f"{value:g}"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
