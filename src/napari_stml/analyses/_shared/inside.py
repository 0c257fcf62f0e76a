"""The observations of the scope, checked; and results put back at the section's rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Categories
from napari_stml.core.results import Graph, Labels, Matrix, Values
from napari_stml.methods.expression.checks import checked_genes, checked_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.core.inputs import Matrix2D, SectionInputs
    from napari_stml.core.results import Scale

MOST_CATEGORIES = 200
"""A numeric column with more different whole numbers than this is a measurement."""


@dataclass(frozen=True)
class Inside:
    """The rows of the section that an analysis computes on.

    Its methods take values of these rows and give parts of the whole section, missing elsewhere.
    """

    section: SectionInputs
    rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, keep: NDArray[np.bool_]) -> Inside:
        """Give fewer of these rows."""
        return Inside(self.section, self.rows[keep])

    def expression(self, name: str, *, counts: bool = False) -> tuple[csr_matrix, tuple[str, ...]]:
        """Take the matrix of these rows and its genes, checked; a copy without stored zeros."""
        matrix: Matrix2D = self.section[name]
        genes = checked_genes(matrix.genes, self.section.section)
        if matrix.values.shape != (len(self.section.names), len(genes)):
            raise ValueError(f"{name!r} has the shape {matrix.values.shape}")
        values = matrix.values[self.rows]
        return checked_values(values, self.section.section, counts=counts), genes

    def categories(self, name: str, column: str) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """Take the codes of a column at these rows; only categories that occur here are named."""
        values: Any = self.section[name]
        if not isinstance(values, Categories):
            values = _whole_numbers(np.asarray(values), column)
        codes = np.asarray(values.codes)[self.rows]
        used = np.unique(codes[codes >= 0])
        if not len(used):
            raise StmlError(
                "No spot of the scope has a category in this column", where=column,
                do="choose another column or a wider scope",
            )  # fmt: skip
        place = np.full(len(values.names), -1, dtype=np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        return np.where(codes < 0, -1, place[codes]), tuple(values.names[i] for i in used)

    def values(
        self, name: str, values: NDArray[Any], unit: str = "", scale: Scale = "sequential"
    ) -> Values:
        return Values(name, self._spread(values), unit, scale)

    def labels(self, name: str, codes: NDArray[Any], categories: Sequence[str]) -> Labels:
        everywhere = np.full(len(self.section.names), -1, dtype=np.int32)
        everywhere[self.rows] = codes
        return Labels(name, everywhere, tuple(categories))

    def matrix(self, name: str, values: NDArray[Any], columns: Sequence[str]) -> Matrix:
        return Matrix(name, self._spread(values), tuple(columns))

    def graph(self, name: str, links: csr_matrix) -> Graph:
        from scipy.sparse import coo_matrix

        n, part = len(self.section.names), links.tocoo()
        place = (self.rows[part.row], self.rows[part.col])
        return Graph(name, coo_matrix((part.data, place), shape=(n, n)).tocsr())

    def _spread(self, values: NDArray[Any]) -> NDArray[np.float32]:
        everywhere = np.full((len(self.section.names), *values.shape[1:]), np.nan, np.float32)
        everywhere[self.rows] = values
        return everywhere


def inside(section: SectionInputs, least: int = 1) -> Inside:
    """Take the observations of the scope; an error when there are fewer than ``least``."""
    names = section.names
    if not len(names):
        raise StmlError(
            "This section has no spots or cells", where=section.section,
            do="open a table with it",
        )  # fmt: skip
    if len(set(names)) != len(names):
        raise StmlError(
            "Some spots have the same name", where=section.section,
            do="make the barcodes unique",
        )  # fmt: skip
    rows = np.flatnonzero(section.inside)
    if len(rows) < least:
        some = f"only {len(rows)}" if len(rows) else "none"
        raise StmlError(
            f"This analysis needs at least {least} spots in its scope and found {some}",
            where=f"{section.section}, {section.scope.title}", do="choose a wider scope",
        )  # fmt: skip
    return Inside(section, rows)


def _whole_numbers(values: NDArray[Any], column: str) -> Categories:
    known = np.isfinite(values)
    found = np.unique(values[known])
    if len(found) > MOST_CATEGORIES or not np.array_equal(found, np.round(found)):
        raise StmlError(
            "This column holds measurements, not categories", where=column,
            do="choose a column of classes or clusters",
        )  # fmt: skip
    codes = np.full(len(values), -1, dtype=np.int32)
    codes[known] = np.searchsorted(found, values[known])
    return Categories(codes, tuple(f"{v:.0f}" for v in found))
