"""Baselines without a network: the mean, ridge and partial least squares on features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.methods.expression_models.scores import pearson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

PENALTIES = np.geomspace(1e0, 1e6, 19)
COMPONENTS = (2, 4, 8, 16)
RANKS = (5, 10, 20)
FEW_PENALTIES = np.geomspace(1e1, 1e5, 9)


@dataclass(frozen=True)
class Linear:
    """y = (x - centre) weight + offset; ``chosen`` says what the inner folds chose."""

    centre: NDArray[np.float32]
    weight: NDArray[np.float32]
    offset: NDArray[np.float32]
    chosen: str = ""
    penalty: float = 0.0
    rank: int = 0

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray((x - self.centre) @ self.weight + self.offset, dtype=np.float32)


def fit_mean(x: NDArray[Any], y: NDArray[Any]) -> Linear:
    zero = np.zeros(x.shape[1], dtype=np.float32)
    weight = np.zeros((x.shape[1], y.shape[1]), dtype=np.float32)
    return Linear(zero, weight, np.asarray(y.mean(axis=0), dtype=np.float32))


def fit_ridge(
    x: NDArray[Any], y: NDArray[Any], groups: NDArray[Any],
    penalties: Sequence[float] | NDArray[Any] = PENALTIES,
) -> Linear:  # fmt: skip
    """Ridge whose penalty has the best mean r over inner folds (``groups`` of the rows)."""
    grid = [float(p) for p in penalties]
    total = np.zeros(len(grid))
    for train, test in _inner(groups):
        if len(grid) == 1:
            break
        paths = _ridge_path(x[train], y[train], grid)
        total += [pearson(model(x[test]), y[test]).mean() for model in paths]
    best = grid[int(total.argmax())]
    model = _ridge_path(x, y, [best])[0]
    return Linear(model.centre, model.weight, model.offset, f"penalty {best:.3g}", best)


def fit_reduced(
    x: NDArray[Any], y: NDArray[Any], groups: NDArray[Any],
    penalties: Sequence[float] | NDArray[Any] = FEW_PENALTIES, ranks: Sequence[int] = RANKS,
) -> Linear:  # fmt: skip
    """Ridge through few directions of the genes: noise of single genes is not learned.

    The directions are the targets' own principal ones (Izenman 1975); rank and penalty have the
    best mean r over inner folds.
    """
    grid = [float(p) for p in penalties]
    able = [k for k in ranks if k <= min(y.shape)] or [min(y.shape)]
    total = np.zeros((len(able), len(grid)))
    for train, test in _inner(groups):
        if total.size == 1:
            break
        path = _ridge_path(x[train], y[train], grid)
        axes = _directions(y[train])
        for i, k in enumerate(able):
            for j, model in enumerate(path):
                total[i, j] += pearson(_through(model, axes[:k])(x[test]), y[test]).mean()
    i, j = map(int, np.unravel_index(int(total.argmax()), total.shape))
    model = _through(_ridge_path(x, y, [grid[j]])[0], _directions(y)[: able[i]])
    said = f"rank {able[i]}, penalty {grid[j]:.3g}"
    return Linear(model.centre, model.weight, model.offset, said, grid[j], able[i])


def _directions(y: NDArray[Any]) -> NDArray[np.float64]:
    _, _, axes = np.linalg.svd(y - y.mean(axis=0), full_matrices=False)
    return np.asarray(axes, dtype=np.float64)


def _through(model: Linear, axes: NDArray[np.float64]) -> Linear:
    weight = np.asarray(model.weight @ axes.T @ axes, dtype=np.float32)
    return Linear(model.centre, weight, model.offset)


def inner_score(
    fit: Callable[..., Linear], x: NDArray[Any], y: NDArray[Any], groups: NDArray[Any]
) -> float:
    """Mean r of a fit on each group when the others teach it (its own choices among those)."""
    found = [
        pearson(fit(x[train], y[train], groups[train])(x[test]), y[test]).mean()
        for train, test in _inner(groups)
    ]
    return float(np.mean(found)) if found else float("nan")


def fit_pls(
    x: NDArray[Any], y: NDArray[Any], groups: NDArray[Any],
    components: Sequence[int] = COMPONENTS,
) -> Linear:  # fmt: skip
    """Partial least squares whose number of components the inner folds choose."""
    able = [k for k in components if k <= min(x.shape[1], y.shape[1] * 50, len(x) // 4)] or [1]
    total = np.zeros(len(able))
    for train, test in _inner(groups):
        if len(able) == 1:
            break
        total += [pearson(_pls(x[train], y[train], k)(x[test]), y[test]).mean() for k in able]
    best = able[int(total.argmax())]
    model = _pls(x, y, best)
    return Linear(model.centre, model.weight, model.offset, f"{best} components")


def _inner(groups: NDArray[Any]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    found = []
    for group in np.unique(groups):
        train, test = np.flatnonzero(groups != group), np.flatnonzero(groups == group)
        if len(train) >= 5 and len(test) >= 3:
            found.append((train, test))
    return found


def _ridge_path(x: NDArray[Any], y: NDArray[Any], penalties: Sequence[float]) -> list[Linear]:
    centre, offset = x.mean(axis=0), y.mean(axis=0)
    a, b = np.asarray(x - centre, dtype=np.float64), np.asarray(y - offset, dtype=np.float64)
    if len(a) < a.shape[1]:
        power, axes = np.linalg.eigh(a @ a.T)
        left, right = a.T @ axes, axes.T @ b
    else:
        power, axes = np.linalg.eigh(a.T @ a)
        left, right = axes, axes.T @ (a.T @ b)
    power = np.maximum(power, 0)
    out = []
    for p in penalties:
        weight = left @ (right / (power + p)[:, None])
        out.append(Linear(centre.astype(np.float32), weight.astype(np.float32),
                          offset.astype(np.float32)))  # fmt: skip
    return out


def _pls(x: NDArray[Any], y: NDArray[Any], components: int) -> Linear:
    from sklearn.cross_decomposition import PLSRegression

    model = PLSRegression(n_components=components, scale=False).fit(x, y)
    weight = np.asarray(model.coef_, dtype=np.float32).T
    return Linear(
        np.asarray(x.mean(axis=0), dtype=np.float32), weight,
        np.asarray(y.mean(axis=0), dtype=np.float32),
    )  # fmt: skip
