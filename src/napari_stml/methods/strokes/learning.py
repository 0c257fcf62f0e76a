"""From features of a whole section and a few labels to classes everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.methods.strokes import linear

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Learnt:
    """What the examples say of every row; ``checked`` is the balanced accuracy held out."""

    chances: NDArray[np.float64]
    uncertainty: NDArray[np.float64]
    model: linear.Linear
    checked: float

    @property
    def codes(self) -> NDArray[np.intp]:
        return np.asarray(self.chances.argmax(axis=1), dtype=np.intp)


@dataclass(frozen=True)
class Ground:
    """A section prepared once: few numbers per row, ready to be learnt from many times."""

    points: NDArray[np.float64]
    directions: linear.Directions

    @classmethod
    def of(
        cls, features: NDArray[np.float64], links: csr_matrix | None, rounds: int, *,
        standardise: bool,
    ) -> Ground:  # fmt: skip
        """Average over neighbours, then find the directions."""
        if links is not None and rounds:
            features = linear.smoothed(features, links, rounds)
        found = linear.directions(features, standardise=standardise)
        return cls(found(features), found)

    def learn(self, rows: NDArray[np.intp], codes: NDArray[np.integer], classes: int) -> Learnt:
        """Learn from labelled rows; every class has at least one."""
        model = linear.fitted(self.points[rows], codes, classes)
        chances = model(self.points)
        return Learnt(chances, linear.uncertainty(chances), model,
                      self._checked(rows, codes, classes, model.penalty))  # fmt: skip

    def _checked(
        self, rows: NDArray[np.intp], codes: NDArray[np.integer], classes: int, penalty: float
    ) -> float:
        """Balanced accuracy on examples held out by turns; NaN where a class has only one."""
        counts = np.bincount(codes, minlength=classes)
        folds = int(min(5, counts.min()))
        if folds < 2:
            return float("nan")
        place = np.zeros(len(codes), dtype=np.intp)
        for c in range(classes):  # neighbours stay in one fold: they are nearly copies
            own = np.flatnonzero(codes == c)
            place[own] = np.arange(len(own)) * folds // len(own)
        answer = np.zeros(len(codes), dtype=np.intp)
        for fold in range(folds):
            held = place == fold
            model = linear.fitted(self.points[rows[~held]], codes[~held], classes, penalty)
            answer[held] = model(self.points[rows[held]]).argmax(axis=1)
        return linear.balanced_accuracy(codes, answer)
