"""A matrix between parcels (regions of an atlas), spread over the spots of each parcel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Expanded:
    """Strengths between spots, read row by row through their parcels: never whole in memory.

    ``parcel`` is -1 for spots that belong to none: they are linked to nobody but themselves.
    """

    matrix: NDArray[np.floating[Any]]
    parcel: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        return (len(self.parcel), len(self.parcel))

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        mine = self.parcel[rows]
        block = np.asarray(self.matrix, dtype=np.float64)[mine[:, None], self.parcel[None, :]]
        block[mine < 0] = 0
        block[:, self.parcel < 0] = 0
        return np.asarray(block, dtype=np.float64)


def expand(
    matrix: NDArray[np.floating[Any]], values: Sequence[Any] | NDArray[Any],
    names: Sequence[str] = (),
) -> tuple[Expanded, tuple[str, ...]]:  # fmt: skip
    """Match the spots' parcels with the rows of ``matrix``; returns also what matched nothing.

    Parameters
    ----------
    values
        Per spot a row number from 0 on, or one of ``names``; NaN, None, "" and negative numbers
        mean no parcel.
    """
    shape = matrix.shape
    if len(shape) != 2 or shape[0] != shape[1]:
        raise StmlError(f"A matrix between parcels is square; this one is {tuple(shape)}")
    place = {str(name): i for i, name in enumerate(names or range(shape[0]))}
    found = np.full(len(values), -1, dtype=np.int64)
    unmatched: dict[str, None] = {}
    for i, value in enumerate(values):
        text = _text(value)
        if text in place:
            found[i] = place[text]
        elif text:
            unmatched[text] = None
    if (found < 0).all():
        raise StmlError(
            "No spot belongs to a row of the matrix", where="parcel column",
            do="choose the column with each spot's row number (0, 1, ...) or parcel name",
        )  # fmt: skip
    return Expanded(np.asarray(matrix), found), tuple(unmatched)


def _text(value: Any) -> str:
    """As a row is called; "" for none."""
    if value is None or value != value:
        return ""
    if isinstance(value, float | np.floating):
        value = int(value) if float(value).is_integer() else value
    if isinstance(value, int | np.integer | float | np.floating) and value < 0:
        return ""
    return str(value)
