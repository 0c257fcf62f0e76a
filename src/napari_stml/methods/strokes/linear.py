"""A linear classifier for few examples: ridge-penalised logistic regression in few directions.

Features are averaged over neighbours on the tissue (a single spot is noisy), standardised on the
whole section and expressed in their leading principal directions, so that ten examples per class
meet tens of numbers, not thousands. Weights minimise the multinomial likelihood with equal weight
per class; the penalty is chosen by cross-validation on the examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
MOST_DIRECTIONS = 40
FOLDS = 5


@dataclass(frozen=True)
class Directions:
    """A map from features to few numbers: centre, spread, axes."""

    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    axes: NDArray[np.float64]

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled = (features - self.centre) / self.spread
        found: NDArray[np.float64] = scaled @ self.axes
        return found


@dataclass(frozen=True)
class Linear:
    """Weights (directions + 1, classes); the last row is the constant."""

    weights: NDArray[np.float64]
    penalty: float

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (n, classes)."""
        return softmax(points @ self.weights[:-1] + self.weights[-1])


def directions(
    features: NDArray[np.float64], most: int = MOST_DIRECTIONS, *, standardise: bool = True
) -> Directions:
    """Leading principal directions of all rows, labelled or not, the widest one of width 1.

    Directions keep their relative width, so that the penalty falls on noise. ``standardise`` is
    for features of different units; components of expression already carry their weight.
    """
    centre = features.mean(axis=0)
    spread = features.std(axis=0) if standardise else np.ones(features.shape[1])
    spread = np.where(spread > 1e-9, spread, np.inf)
    scaled = (features - centre) / spread
    size, axes = np.linalg.eigh(scaled.T @ scaled)
    size, axes = size[::-1], axes[:, ::-1]
    count = min(most, int((size > 1e-10 * max(size[0], 1e-300)).sum()), max(1, len(features) - 1))
    return Directions(
        centre, spread, axes[:, :count] / np.sqrt(max(size[0], 1e-300) / len(features))
    )


def smoothed(
    features: NDArray[np.float64], links: csr_matrix, rounds: int = 2, own: float = 0.4
) -> NDArray[np.float64]:
    """Each row mixed with the mean of its neighbours, several times; lonely rows stay."""
    degree = np.asarray(links.sum(axis=1)).ravel()[:, None]
    for _ in range(rounds):
        mean = np.asarray(links @ features) / np.maximum(degree, 1e-12)
        features = np.where(degree > 0, own * features + (1 - own) * mean, features)
    return features


def fitted(
    points: NDArray[np.float64],
    codes: NDArray[np.integer],
    classes: int,
    penalty: float | None = None,
) -> Linear:
    """Learn from labelled rows; without a penalty it is chosen by cross-validation."""
    if penalty is None:
        penalty = _chosen(points, codes, classes)
    return Linear(_solved(points, codes, classes, penalty), penalty)


def _chosen(points: NDArray[np.float64], codes: NDArray[np.integer], classes: int) -> float:
    """The penalty with the best held-out likelihood; folds hold some of every class."""
    counts = np.bincount(codes, minlength=classes)
    folds = int(min(FOLDS, counts.min()))
    if folds < 2:
        return 0.3
    place = np.zeros(len(codes), dtype=np.intp)
    for c in range(classes):
        rows = np.flatnonzero(codes == c)
        place[rows] = np.arange(len(rows)) % folds
    loss = []
    weight = 1.0 / counts[codes]
    for penalty in PENALTIES:
        total = 0.0
        for fold in range(folds):
            held = place == fold
            model = Linear(_solved(points[~held], codes[~held], classes, penalty), penalty)
            chance = model(points[held])[np.arange(int(held.sum())), codes[held]]
            total -= float((weight[held] * np.log(np.maximum(chance, 1e-9))).sum())
        loss.append(total)
    return PENALTIES[int(np.argmin(loss))]


def _solved(
    points: NDArray[np.float64], codes: NDArray[np.integer], classes: int, penalty: float
) -> NDArray[np.float64]:
    """Bound-optimised Newton steps (Böhning 1992): one factorisation serves all of them."""
    n, d = points.shape
    x = np.column_stack([points, np.ones(n)])
    counts = np.bincount(codes, minlength=classes).astype(np.float64)
    weight = 1.0 / (classes * np.maximum(counts[codes], 1.0))
    target = np.zeros((n, classes))
    target[np.arange(n), codes] = 1.0
    ridge = np.full(d + 1, penalty * 0.05)
    ridge[-1] = 1e-6
    bound = 0.5 * (x * weight[:, None]).T @ x + np.diag(ridge)
    inverse = np.linalg.inv(bound)
    w = np.zeros((d + 1, classes))
    momentum, before = w, w
    for step in range(300):
        gradient = x.T @ (weight[:, None] * (softmax(x @ momentum) - target))
        gradient += ridge[:, None] * momentum
        before, w = w, momentum - inverse @ gradient
        if np.abs(w - before).max() < 1e-5:
            break
        momentum = w + (step / (step + 3)) * (w - before)
    return w


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    top = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = top / top.sum(axis=1, keepdims=True)
    return found


def uncertainty(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of the classes, 0 (sure) to 1 (anything)."""
    if chances.shape[1] < 2:
        return np.zeros(len(chances))
    p = np.clip(chances, 1e-12, 1)
    found: NDArray[np.float64] = -(p * np.log(p)).sum(axis=1) / np.log(chances.shape[1])
    return found


def look_next(
    unsure: NDArray[np.float64], points: NDArray[np.float64], xy: NDArray[np.float64],
    labelled: NDArray[np.bool_], count: int = 5,
) -> NDArray[np.intp]:  # fmt: skip
    """Rows to label next: unsure, unlike what is labelled, and apart from each other.

    Uncertainty is averaged over the nearest rows on the tissue, since a user looks at places.
    """
    from scipy.spatial import cKDTree

    n = len(unsure)
    _, near = cKDTree(xy).query(xy, k=min(7, n))
    score = unsure[near.reshape(n, -1)].mean(axis=1)
    if labelled.any():
        away, _ = cKDTree(points[labelled]).query(points)
        score = score * (0.5 + 0.5 * away / max(float(away.max()), 1e-12))
    score = np.where(labelled, -1.0, score)
    apart = 0.12 * float(np.linalg.norm(np.ptp(xy, axis=0)))
    chosen: list[int] = []
    for row in np.argsort(-score, kind="stable"):
        if score[row] < 0 or len(chosen) == count:
            break
        if all(np.hypot(*(xy[row] - xy[c])) > apart for c in chosen):
            chosen.append(int(row))
    return np.array(chosen, dtype=np.intp)


def nearest_centroid(
    points: NDArray[np.float64],
    labelled: NDArray[np.intp],
    codes: NDArray[np.integer],
    classes: int,
) -> NDArray[np.intp]:  # fmt: skip
    """Each row gets the class whose mean of standardised features is nearest: the floor to beat."""
    centres = np.array([points[labelled[codes == c]].mean(axis=0) for c in range(classes)])
    away = ((points[:, None, :] - centres[None]) ** 2).sum(axis=2)
    return np.asarray(away.argmin(axis=1), dtype=np.intp)


def balanced_accuracy(truth: NDArray[np.integer], found: NDArray[np.integer]) -> float:
    """Mean of the classes' recalls."""
    return float(np.mean([(found[truth == c] == c).mean() for c in np.unique(truth)]))
