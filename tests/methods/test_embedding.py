from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from napari_stml.methods.embedding import pca
from napari_stml.methods.neighbours import on_tissue


def ended(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("shape", [(300, 40), (40, 300)], ids=["tall", "wide"])
@pytest.mark.parametrize("scale", [True, False])
def test_components_equal_the_singular_values(
    shape: tuple[int, int], scale: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pca, "ROWS", 64)
    values = np.random.default_rng(1).poisson(1.0, shape).astype(np.float32)
    values[:, 3] = 2  # a gene that does not vary
    found = ended(pca.components(csr_matrix(values), 8, scale=scale, clip=2.5))
    wanted = values - values.mean(axis=0, dtype=float)
    if scale:
        sd = values.std(axis=0, ddof=1, dtype=float)
        wanted = np.clip(wanted / np.where(sd > 0, sd, 1), -2.5, 2.5)
        wanted -= wanted.mean(axis=0)
    _, s, vt = np.linalg.svd(wanted, full_matrices=False)
    np.testing.assert_allclose((found.scores**2).sum(axis=0), s[:8] ** 2, rtol=1e-6)
    np.testing.assert_allclose(np.abs((found.loadings * vt[:8].T).sum(axis=0)), 1, atol=1e-6)
    np.testing.assert_allclose(found.scores, wanted @ found.loadings, atol=1e-6)
    np.testing.assert_allclose(found.share, s[:8] ** 2 / (s**2).sum(), rtol=1e-6)
    largest = np.abs(found.loadings).argmax(axis=0)
    assert (found.loadings[largest, np.arange(8)] > 0).all()


def test_no_more_components_than_there_are() -> None:
    values = np.outer(np.arange(30), [1, 2, 3]).astype(np.float32)
    assert ended(pca.components(csr_matrix(values), 3, scale=True)).scores.shape == (30, 1)
    same = csr_matrix(np.full((30, 4), 1.7, np.float32))
    assert ended(pca.components(same, 3, scale=True)).scores.shape == (30, 0)


def test_smoothing_and_components_commute_without_scaling() -> None:
    row, column = (a.ravel() for a in np.mgrid[:6, :6])
    links = on_tissue.on_lattice(np.column_stack([row, column]), hexagonal=False)
    values = np.random.default_rng(0).normal(size=(36, 5))
    two = on_tissue.smoothed(on_tissue.smoothed(values, links, 1), links, 1)
    np.testing.assert_allclose(two, on_tissue.smoothed(values, links, 2))
