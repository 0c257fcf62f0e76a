"""How hard the demo is: what simple estimators reach on it.

Any method that is scored on the demo states its gain over these. The estimators need numpy and
scipy only and use no random state beyond their own seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, sparse

from napari_stml.demo import genes
from napari_stml.demo.lattice import PITCH_UM
from napari_stml.demo.layout import DOMAINS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.demo.fields import FloatArray

N_HVG = 2000
N_PCS = 20
TILE_UM = (60.0, 112.0, 224.0)
_SIDE_BLOCKS = 5
_FOLDS = 5
_PENALTY = 100.0


@dataclass(frozen=True)
class Floors:
    """ARI with K known, without and with averaging over the lattice's neighbours; mean r."""

    pca: float
    smoothed: float
    image_r: float | None = None


def log_normalised(counts: sparse.csr_matrix) -> FloatArray:
    """log1p of counts per 10,000, dense."""
    dense = counts.toarray().astype(np.float64)
    return np.asarray(np.log1p(dense * (1e4 / np.maximum(dense.sum(axis=1, keepdims=True), 1))))


def principal_components(values: FloatArray, count: int = N_PCS) -> FloatArray:
    """PCs of the most variable genes, scaled to unit variance and clipped at 10."""
    spread = values.var(axis=0) / (values.mean(axis=0) + 0.01)
    top = np.argsort(-spread, kind="stable")[:N_HVG]
    z = values[:, top] - values[:, top].mean(axis=0)
    z = np.clip(z / (values[:, top].std(axis=0) + 1e-9), -10, 10)
    _eigenvalues, vectors = np.linalg.eigh(z.T @ z)
    return np.asarray(z @ vectors[:, ::-1][:, :count])


def neighbour_means(values: FloatArray, xy: FloatArray, pitch: float) -> FloatArray:
    """Mean over a spot and its (up to six) neighbours."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(xy).query_pairs(1.1 * pitch, output_type="ndarray")
    n = len(xy)
    i, j = np.concatenate([pairs, pairs[:, ::-1]]).T
    near = sparse.csr_matrix((np.ones(len(i)), (i, j)), shape=(n, n)) + sparse.identity(n)
    return np.asarray((near @ values) / np.asarray(near.sum(axis=1)))


def k_means(points: FloatArray, k: int, seed: int = 0, starts: int = 10) -> NDArray[np.intp]:
    """Lloyd's algorithm from k-means++ starts; the labels of the best one."""
    rng = np.random.default_rng(seed)
    best, best_cost = np.zeros(len(points), dtype=np.intp), np.inf
    for _ in range(starts):
        centres = points[rng.integers(len(points), size=1)]
        while len(centres) < k:
            d = _squared(points, centres).min(axis=1)
            centres = np.vstack([centres, points[rng.choice(len(points), p=d / d.sum())]])
        labels = np.zeros(len(points), dtype=np.intp)
        for _ in range(100):
            new = _squared(points, centres).argmin(axis=1)
            if (new == labels).all():
                break
            labels = new
            for c in range(k):
                if (labels == c).any():
                    centres[c] = points[labels == c].mean(axis=0)
        cost = float(_squared(points, centres).min(axis=1).sum())
        if cost < best_cost:
            best, best_cost = labels, cost
    return best


def _squared(points: FloatArray, centres: FloatArray) -> FloatArray:
    d = (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)
    return np.asarray(np.maximum(d, 0.0))


def adjusted_rand(a: NDArray[np.integer], b: NDArray[np.integer]) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985)."""
    table = np.zeros((int(a.max()) + 1, int(b.max()) + 1))
    np.add.at(table, (a, b), 1)

    def pairs(n: FloatArray) -> float:
        return float((n * (n - 1) / 2).sum())

    both, rows, cols = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = rows * cols / pairs(np.array([len(a)]))
    return (both - expected) / ((rows + cols) / 2 - expected)


def clustering(counts: sparse.csr_matrix, xy_um: FloatArray, domain: NDArray[np.int64]) -> Floors:
    """Both clustering floors, mean over three seeds of k-means."""
    pcs = principal_components(log_normalised(counts))
    smooth = neighbour_means(pcs, xy_um, PITCH_UM)
    k = len(DOMAINS)
    plain, smoothed = (
        float(np.mean([adjusted_rand(k_means(p, k, seed), domain) for seed in range(3)]))
        for p in (pcs, smooth)
    )
    return Floors(plain, smoothed)


def image_features(picture: NDArray[np.uint8], xy_px: FloatArray, um_per_px: float) -> FloatArray:
    """Colour, density and gradient statistics of square windows about the spots."""
    density = -np.log((picture.astype(np.float32) + 1) / 256)
    grey = density.mean(axis=2)
    gy, gx = np.gradient(grey)
    planes = [density[..., c] for c in range(3)]
    planes += [
        density[..., 0] - density[..., 1],
        np.hypot(gx, gy),
        (grey > 0.75).astype(np.float32),
    ]
    columns = []
    at = np.floor(xy_px[:, ::-1]).astype(np.intp).T
    for side_um in TILE_UM:
        side = round(side_um / um_per_px)
        for plane in planes:
            mean = ndimage.uniform_filter(plane, side)[at[0], at[1]]
            square = ndimage.uniform_filter(plane * plane, side)[at[0], at[1]]
            columns += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    return np.stack(columns, axis=1).astype(np.float64)


def ridge_correlations(features: FloatArray, targets: FloatArray, xy_um: FloatArray) -> FloatArray:
    """Pearson r per target, predicted from features of other spatial blocks."""
    span = xy_um.max(axis=0) - xy_um.min(axis=0) + 1e-6
    block = ((xy_um - xy_um.min(axis=0)) / span * _SIDE_BLOCKS).astype(np.intp)
    fold = (block[:, 0] + 2 * block[:, 1]) % _FOLDS
    predicted = np.zeros_like(targets)
    for f in range(_FOLDS):
        train, test = fold != f, fold == f
        centre, scale = features[train].mean(axis=0), features[train].std(axis=0) + 1e-9
        x, mean = (features[train] - centre) / scale, targets[train].mean(axis=0)
        weights = np.linalg.solve(
            x.T @ x + _PENALTY * np.eye(x.shape[1]), x.T @ (targets[train] - mean)
        )
        predicted[test] = (features[test] - centre) / scale @ weights + mean
    p, t = predicted - predicted.mean(axis=0), targets - targets.mean(axis=0)
    return np.asarray((p * t).sum(axis=0) / np.sqrt((p**2).sum(axis=0) * (t**2).sum(axis=0)))


def marker_columns(names: tuple[str, ...]) -> list[int]:
    """Columns of the cell types' markers and the planted pathways' genes."""
    wanted = dict.fromkeys(
        g for group in (*genes.MARKERS.values(), *genes.PATHWAYS.values()) for g in group
    )
    return [names.index(g) for g in wanted]
