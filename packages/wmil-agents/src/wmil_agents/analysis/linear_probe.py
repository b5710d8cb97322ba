"""Linear probes: can a linear map read an attribute from hidden features, and better than from shuffled labels?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wmil_agents.evaluation.intervals import bootstrap_interval, wilson_interval

Interval = tuple[float, float]

MAX_ROWS = 2_000
"""More rows are sampled."""
N_FOLDS = 5
N_SHUFFLES = 10
_RIDGE = 1.0
_DECIMALS = 5
"""Features that agree so far are those of one observation."""


@dataclass(frozen=True)
class Probe:
    """What a probe found; every figure is of rows that it was not fitted to."""

    kind: Literal["category", "number"]
    score: float | None
    """Accuracy for a category, R squared for a number; None where there is nothing to tell."""
    interval: Interval | None
    """95 %, of a category Wilson's with each distinct observation as one trial, of a number a bootstrap over them."""
    control: float | None
    """The mean score of the same probe on shuffled labels."""
    control_interval: Interval | None
    """The least and the greatest of these."""
    chance: float | None
    """The share of the commonest label; 0 for a number."""
    n_rows: int
    n_distinct: int
    """How many distinct feature vectors the rows have."""
    is_grouped: bool
    """Whether no distinct observation was in both the fitted rows and the tested ones."""
    note: str
    """What to keep in mind, in a sentence; empty for nothing."""

    @property
    def beats_control(self) -> bool | None:
        """Whether the interval lies above every shuffled score; None where there is nothing to tell."""
        if self.interval is None or self.control_interval is None:
            return None
        return self.interval[0] > self.control_interval[1]


def linear_probe(
    features: NDArray[Any],
    labels: NDArray[Any],
    kind: Literal["category", "number"] = "category",
    seed: int = 0,
) -> Probe:
    """Fit a least-squares probe on four fifths of the rows, test it on the rest, five times over.

    Labels that are shuffled among the distinct observations give the control: the same features, the same labels,
    nothing to find. Folds keep the rows of one observation together wherever every label has several observations.
    Where one has a single observation that is impossible, and the note says what is then measured.

    An untrained network keeps much of what it is shown, so what is read from a trained one need not have been learnt:
    probe both.

    Args:
        features: (n, d).
        labels: (n,) integers or numbers.
        kind: what the labels are.
        seed: of folds, samples and shuffles.

    Raises:
        ValueError: there are fewer rows than folds, or not as many labels as rows.
    """
    features, labels = np.asarray(features, np.float64), np.asarray(labels)
    if len(features) != len(labels) or len(labels) < N_FOLDS:
        raise ValueError(
            f"a probe needs at least {N_FOLDS} rows and a label for each, not {features.shape} and {labels.shape}"
        )
    rng = np.random.default_rng(seed)
    if len(labels) > MAX_ROWS:
        chosen = np.sort(rng.choice(len(labels), MAX_ROWS, replace=False))
        features, labels = features[chosen], labels[chosen]
    groups = np.unique(features.round(_DECIMALS), axis=0, return_inverse=True)[1].reshape(-1)
    n_distinct = int(groups.max()) + 1
    if len(np.unique(labels)) < 2:
        return Probe(kind, None, None, None, None, None, len(labels), n_distinct, False, "constant: nothing to tell")
    is_grouped = _can_be_grouped(labels, groups, kind)
    folds = _folds(groups if is_grouped else np.arange(len(labels)), rng)
    hits = _out_of_fold(features, labels, folds, kind)
    score = _score(hits, labels, kind)
    shuffled = [_shuffled(labels, groups, rng) for _ in range(N_SHUFFLES)]
    controls = [_score(_out_of_fold(features, other, folds, kind), other, kind) for other in shuffled]
    return Probe(
        kind,
        score,
        _interval(hits, labels, groups, kind, rng),
        float(np.mean(controls)),
        (min(controls), max(controls)),
        float(np.unique(labels, return_counts=True)[1].max() / len(labels)) if kind == "category" else 0.0,
        len(labels),
        n_distinct,
        is_grouped,
        _note(is_grouped, n_distinct),
    )


def probe_attributes(features: NDArray[Any], attributes: Mapping[str, NDArray[Any]], seed: int = 0) -> dict[str, Probe]:
    """A probe for each attribute by name; labels that are integers are categories."""
    return {
        name: linear_probe(features, labels, "category" if np.asarray(labels).dtype.kind in "biu" else "number", seed)
        for name, labels in attributes.items()
    }


def _can_be_grouped(labels: NDArray[Any], groups: NDArray[Any], kind: str) -> bool:
    if len(np.unique(groups)) < N_FOLDS:
        return False
    return kind == "number" or all(len(np.unique(groups[labels == label])) >= 2 for label in np.unique(labels))


def _folds(groups: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each row; rows of one group have the same."""
    distinct, rows = np.unique(groups, return_inverse=True)
    fold_of_group = rng.permutation(np.arange(len(distinct)) % N_FOLDS)
    folds: NDArray[np.int64] = fold_of_group[rows.reshape(-1)]
    return folds


def _out_of_fold(features: NDArray[Any], labels: NDArray[Any], folds: NDArray[Any], kind: str) -> NDArray[np.float64]:
    """For each row what a probe says that was fitted to the other folds: 1 for right, or the squared error."""
    from sklearn.linear_model import Ridge, RidgeClassifier  # takes a second
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    said = np.zeros(len(labels))
    for fold in np.unique(folds):
        tested = folds == fold
        known = labels[~tested]
        if kind == "category" and len(np.unique(known)) < 2:
            said[tested] = labels[tested] == known[0]
            continue
        probe = make_pipeline(StandardScaler(), RidgeClassifier(_RIDGE) if kind == "category" else Ridge(_RIDGE))
        predicted = probe.fit(features[~tested], known).predict(features[tested])
        said[tested] = predicted == labels[tested] if kind == "category" else (predicted - labels[tested]) ** 2
    return said


def _score(said: NDArray[np.float64], labels: NDArray[Any], kind: str) -> float:
    return float(said.mean()) if kind == "category" else 1.0 - float(said.mean() / np.var(labels.astype(np.float64)))


def _shuffled(labels: NDArray[Any], groups: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """The labels dealt anew: each distinct observation gets that of another, where it has a label of its own."""
    distinct, first = np.unique(groups, return_index=True)
    has_own = all(len(np.unique(labels[groups == group])) == 1 for group in distinct)
    dealt = rng.permutation(labels[first])[groups] if has_own else rng.permutation(labels)
    return dealt if len(np.unique(dealt)) > 1 else labels[rng.permutation(len(labels))]


def _interval(
    said: NDArray[np.float64], labels: NDArray[Any], groups: NDArray[Any], kind: str, rng: np.random.Generator
) -> Interval:
    n_groups = int(groups.max()) + 1
    if kind == "category":
        return wilson_interval(round(float(said.mean()) * n_groups), n_groups)
    errors = np.bincount(groups, said) / np.bincount(groups)
    low, high = bootstrap_interval(errors, np.mean, rng, 1_000)
    variance = float(np.var(labels.astype(np.float64)))
    return 1.0 - high / variance, 1.0 - low / variance


def _note(is_grouped: bool, n_distinct: int) -> str:
    if is_grouped:
        return ""
    return (
        "some label has a single observation, or there are few: the same ones were fitted and tested, so this says "
        f"whether the features tell {n_distinct} distinct observations apart, not whether they generalise"
    )
