"""Hidden features in two dimensions: principal components and t-SNE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PrincipalComponents:
    """Features turned to the directions in which they vary most."""

    points: Floats
    """(n, components), centred."""
    shares: Floats
    """(components,) of the variance; not-a-number where the features do not vary."""
    directions: Floats
    """(components, d), orthonormal; of each the element with the largest magnitude is positive."""


def principal_components(features: NDArray[Any], n_components: int = 2) -> PrincipalComponents:
    """The first principal components of features (n, d), by singular values.

    Raises:
        ValueError: there are fewer rows or columns than components.
    """
    features = np.asarray(features, np.float64)
    if min(features.shape) < n_components:
        raise ValueError(f"features of shape {features.shape} have no {n_components} components")
    centred = features - features.mean(0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:n_components]
    largest = np.abs(directions).argmax(1)
    directions = directions * np.sign(directions[np.arange(n_components), largest])[:, None]
    total = float((singular**2).sum())
    shares = singular[:n_components] ** 2 / total if total > 0.0 else np.full(n_components, np.nan)
    return PrincipalComponents(centred @ directions.T, shares, directions)


def tsne(features: NDArray[Any], seed: int = 0, perplexity: float = 30.0) -> Floats:
    """t-SNE of features (n, d) in two dimensions (van der Maaten and Hinton, 2008).

    Distances between clusters, and their sizes, mean nothing; with another seed they are others. Equal rows are laid
    out once.

    Args:
        features: at least 4 distinct rows.
        seed: of the layout.
        perplexity: neighbours to look at; lowered where there are few rows.
    """
    from sklearn.manifold import TSNE  # takes a second

    distinct, rows = np.unique(np.asarray(features, np.float64), axis=0, return_inverse=True)
    if len(distinct) < 4:
        raise ValueError(f"t-SNE needs at least 4 distinct rows, not {len(distinct)}")
    layout = TSNE(2, perplexity=min(perplexity, (len(distinct) - 1) / 3), init="pca", random_state=seed)
    points: Floats = np.asarray(layout.fit_transform(distinct), np.float64)[rows.reshape(-1)]
    return points
