import numpy as np
import pytest

from wmil_agents.analysis.embedding import principal_components, tsne

pytest.importorskip("sklearn")


def test_components_of_a_known_ellipse() -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    ellipse = np.stack([3 * np.cos(angle), np.sin(angle)], 1)  # variances 4.5 and .5
    turned = ellipse @ np.array([[0.6, 0.8], [-0.8, 0.6]]) + 7.0
    found = principal_components(turned)
    assert found.shares == pytest.approx([0.9, 0.1])
    assert found.directions[0] == pytest.approx([0.6, 0.8])
    assert np.abs(found.points[:, 0]).max() == pytest.approx(3.0)


def test_components_equal_those_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    features = np.random.default_rng(0).normal(size=(50, 6)) @ np.diag([5, 4, 3, 2, 1, 1])
    ours, theirs = principal_components(features, 3), PCA(3).fit(features)
    assert ours.shares == pytest.approx(theirs.explained_variance_ratio_)
    assert np.abs(np.sum(ours.directions * theirs.components_, 1)) == pytest.approx([1, 1, 1])


def test_features_that_do_not_vary_have_no_shares() -> None:
    assert np.isnan(principal_components(np.ones((5, 3))).shares).all()


def test_a_component_too_many_is_refused() -> None:
    with pytest.raises(ValueError, match="have no 2 components"):
        principal_components(np.zeros((1, 3)))


def test_tsne_is_seeded_keeps_clusters_and_lays_copies_on_one_another() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat([[0.0] * 5, [50.0] * 5], 15, 0)
    features = np.concatenate([centres + rng.normal(size=(30, 5))] * 2)
    points = tsne(features, seed=1)
    assert np.array_equal(points, tsne(features, seed=1))
    assert np.array_equal(points[:30], points[30:])
    first, second = points[:15], points[15:30]
    apart = np.linalg.norm(first.mean(0) - second.mean(0))
    assert apart > 2 * max(np.linalg.norm(part - part.mean(0), axis=1).mean() for part in (first, second))


def test_tsne_of_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4 distinct rows, not 1"):
        tsne(np.zeros((10, 2)))
