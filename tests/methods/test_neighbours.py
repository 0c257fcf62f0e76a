from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from napari_stml.core.errors import StmlError
from napari_stml.methods.neighbours import nearest, on_tissue


def ended(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(90, 5))


def test_nearest_are_exact_and_never_oneself(points: np.ndarray) -> None:
    who, far = ended(nearest.nearest(points, 7))
    every = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(every, np.inf)
    np.testing.assert_allclose(far, np.sort(every, axis=1)[:, :7], atol=1e-9)
    assert not (who == np.arange(90)[:, None]).any()
    same, _ = ended(nearest.nearest(np.zeros((20, 3)), 4))
    assert not (same == np.arange(20)[:, None]).any()
    assert same.shape == (20, 4)


def test_weights_equal_umap(points: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap.umap_ import fuzzy_simplicial_set

    who, far = ended(nearest.nearest(points, 14))
    own = np.arange(90)[:, None]
    expected, _, _ = fuzzy_simplicial_set(
        points, 15, np.random.RandomState(0), "euclidean",
        knn_indices=np.hstack([own, who]), knn_dists=np.hstack([0 * own, far]).astype(np.float32),
    )  # fmt: skip
    ours = nearest.weights(who, far)
    np.testing.assert_allclose(ours.toarray(), expected.toarray(), atol=2e-3)
    assert abs(ours - ours.T).max() == 0


def test_equal_points_have_finite_weights() -> None:
    who, far = ended(nearest.nearest(np.zeros((20, 3)), 4))
    assert np.isfinite(nearest.weights(who, far).data).all()


def test_too_many_neighbours(points: np.ndarray) -> None:
    with pytest.raises(StmlError, match="90 neighbours need more"):
        ended(nearest.nearest(points, 90))


def test_six_and_eight_touch() -> None:
    row, column = (a.ravel() for a in np.mgrid[:7, :7])
    hexagon = on_tissue.on_lattice(np.column_stack([row, 2 * column + row % 2]), hexagonal=True)
    square = on_tissue.on_lattice(np.column_stack([row, column]), hexagonal=False)
    middle = 3 * 7 + 3
    assert hexagon[middle].nnz == 6
    assert square[middle].nnz == 8
    assert square[0].nnz == 3
    for links in (hexagon, square):
        assert abs(links - links.T).max() == 0
        assert links.diagonal().sum() == 0
    np.testing.assert_array_equal(
        square.toarray(), on_tissue.within(np.column_stack([row, column]), 1.5).toarray()
    )


def test_negative_places_and_holes_do_not_wrap() -> None:
    links = on_tissue.on_lattice(np.array([[-5, 0], [-5, 40], [-4, 0]]), hexagonal=False)
    assert links.nnz == 2
    with pytest.raises(StmlError, match="same place"):
        on_tissue.on_lattice(np.array([[1, 1], [1, 1]]), hexagonal=False)


def test_smoothing_averages_with_oneself() -> None:
    links = on_tissue.on_lattice(np.array([[0, 0], [0, 1], [0, 9]]), hexagonal=False)
    values = np.array([[0.0], [2.0], [7.0]])
    once = on_tissue.smoothed(values, links, 1)
    np.testing.assert_allclose(once.ravel(), [1, 1, 7])
    np.testing.assert_array_equal(on_tissue.smoothed(values, links, 0), values)
    assert on_tissue.around(np.random.default_rng(0).normal(size=(4, 2))).nnz == 12
