"""Whether things happen as often as a model says they will."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wmil_agents.evaluation.intervals import wilson_interval
from wmil_agents.evaluation.policy_table import Model, actor_critic, as_tensors, evaluating, policy_table
from wmil_agents.evaluation.world_model_errors import world_model_head
from wmil_agents.runs.episodes import Episodes

N_BINS = 10


@dataclass(frozen=True)
class Bin:
    """Events whose probability was said to be between two bounds."""

    low: float
    high: float
    n: int
    confidence: float
    """The mean probability that was said."""
    rate: float
    """How often they happened."""
    interval: tuple[float, float]
    """95 % of the rate."""


@dataclass(frozen=True)
class Calibration:
    """A reliability table (bins without events left out) and its summary."""

    bins: tuple[Bin, ...]
    error: float
    """Expected calibration error: the mean of |rate - confidence| over the bins, weighted by their events (Guo et al.,
    2017). With few events it is above 0 by chance alone."""
    n: int


def calibration(confidence: NDArray[Any], happened: NDArray[Any], n_bins: int = N_BINS) -> Calibration:
    """The reliability of probabilities.

    Args:
        confidence: (n,) probabilities that were said.
        happened: (n,) whether each came true.
        n_bins: of equal width.

    Raises:
        ValueError: there are no events, or probabilities outside [0, 1].
    """
    confidence, happened = np.asarray(confidence, np.float64), np.asarray(happened, np.bool_)
    if not len(confidence) or len(confidence) != len(happened):
        raise ValueError(f"{len(confidence)} probabilities of {len(happened)} events have no calibration")
    if not np.all((confidence >= 0.0) & (confidence <= 1.0 + 1e-6)):
        raise ValueError("probabilities must be in [0, 1]")
    place = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    bins = []
    for number in np.unique(place).tolist():
        chosen = place == number
        n, n_happened = int(chosen.sum()), int(happened[chosen].sum())
        bins.append(
            Bin(
                number / n_bins,
                (number + 1) / n_bins,
                n,
                float(confidence[chosen].mean()),
                n_happened / n,
                wilson_interval(n_happened, n),
            )
        )
    error = sum(one.n * abs(one.rate - one.confidence) for one in bins) / len(confidence)
    return Calibration(tuple(bins), error, len(confidence))


def logged_calibration(episodes: Episodes, n_bins: int = N_BINS) -> Calibration:
    """Of the actions in a log: how likely the policy held each, against whether it was right.

    Over a whole run it mixes policies: give the last episodes for the trained one.

    Raises:
        KeyError: the log has no log-probabilities.
        ValueError: the environment tells no success.
    """
    log_probs, success = episodes.columns("log_probs", "success")
    told = success >= 0
    if not told.any():
        raise ValueError("the environment tells no success, so nothing says whether an action was right")
    return calibration(np.exp(np.minimum(log_probs[told], 0.0)), success[told] == 1, n_bins)


def policy_calibration(model: Model, observations: Any, right: NDArray[Any], n_bins: int = N_BINS) -> Calibration:
    """Of a live policy's likeliest actions at observations, against the right ones (n,)."""
    table = policy_table(model, observations)
    return calibration(table.max(1), table.argmax(1) == np.asarray(right), n_bins)


def world_model_calibration(
    model: Model, observations: Any, actions: NDArray[Any], following: Any, n_bins: int = N_BINS
) -> dict[str, Calibration]:
    """Of a live world model's likeliest next value of each category, against what followed.

    Raises:
        TypeError: the model has no world model of categories.
    """
    head = world_model_head(model)
    if head is None or not head.columns:
        raise TypeError("the policy has no world model that predicts categories")
    policy = actor_critic(model)
    with torch.no_grad(), evaluating(policy):
        features = policy.extract_features(as_tensors(observations, policy.device))
        features = features[0] if isinstance(features, tuple) else features
        said = head.predict(features, torch.as_tensor(np.array(actions), device=policy.device))
        targets = head.targets(as_tensors(following, policy.device)).numpy(force=True)
    probabilities = said.double().numpy(force=True)
    return {
        column.entry or column.name: calibration(
            probabilities[:, place].max(1), probabilities[:, place].argmax(1) == targets[:, place], n_bins
        )
        for place, column in enumerate(head.columns)
    }
