from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import block_diag, csr_matrix

from napari_stml.core.errors import StmlError
from napari_stml.methods.clusters import judging, mixtures, naming
from napari_stml.methods.clusters.leiden import Communities

codes = st.lists(st.integers(0, 5), min_size=1, max_size=40).map(np.array)


@settings(deadline=None)
@given(codes)
def test_numbers_follow_the_size(values: np.ndarray) -> None:
    new = naming.by_size(values)
    sizes = np.bincount(new)
    assert (np.diff(sizes) <= 0).all()
    assert len(set(zip(values.tolist(), new.tolist(), strict=True))) == len(sizes)


@settings(deadline=None)  # the first call imports scipy
@given(codes, st.permutations(range(6)))
def test_in_step_undoes_any_renumbering(values: np.ndarray, order: list[int]) -> None:
    earlier = naming.by_size(values)
    np.testing.assert_array_equal(naming.in_step(np.array(order)[values], earlier), earlier)


def test_in_step_gives_new_clusters_free_numbers() -> None:
    earlier = np.array([0, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(
        naming.in_step(np.array([5, 5, 5, 2, 1, 1]), earlier), [0, 0, 0, 2, 1, 1]
    )
    np.testing.assert_array_equal(
        naming.in_step(np.array([0, 0, 0, 0, 0, 0]), np.array([1, 1, 1, 1, 0, 0])), [1] * 6
    )


def test_communities_are_seeded_and_leave_random_alone() -> None:
    block = np.ones((8, 8)) - np.eye(8)
    links = csr_matrix(block_diag([block] * 3))
    graph = Communities(links)
    random.seed(3)
    before = random.getstate()
    first = graph.at(1.0, seed=1)
    assert random.getstate() == before
    np.testing.assert_array_equal(first, graph.at(1.0, seed=1))
    np.testing.assert_array_equal(naming.by_size(first), np.repeat([0, 1, 2], 8))
    assert graph.modularity(first) == pytest.approx(2 / 3)


@pytest.mark.parametrize("kind", ["k-means", "mixture"])
def test_blobs_are_parted(kind: mixtures.Kind) -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [30, 20, 10])
    points = np.array([[0, 0], [9, 0], [0, 9]])[truth] + rng.normal(size=(60, 2))
    found = naming.by_size(mixtures.at_once(points, 3, 0, kind))
    np.testing.assert_array_equal(found, truth)
    assert judging.silhouette(points, found, 0) > 0.6
    assert np.isnan(judging.silhouette(points, np.zeros(60, int), 0))
    with pytest.raises(StmlError, match="only 1 spots differ"):
        mixtures.at_once(np.zeros((9, 2)), 2, 0, kind)
