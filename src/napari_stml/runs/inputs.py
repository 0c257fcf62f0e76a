"""Turn what an analysis needs into arrays, and sign their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core import needs
from napari_stml.core.errors import StmlError
from napari_stml.core.inputs import Categories, Matrix2D, Named2D, Region, SectionInputs
from napari_stml.core.results import Labels, Matrix, Values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_stml.core.scope import Scope
    from napari_stml.io.section import Section
    from napari_stml.io.shelf import Shelf
    from napari_stml.io.tables.base import Table

PER = 10_000.0
"""Counts per observation after normalising; log1p follows."""


@dataclass(frozen=True)
class Resolved:
    """The inputs of one section, the signatures of their content, and the Runs they came from."""

    inputs: SectionInputs
    signatures: Mapping[str, str]
    parents: tuple[str, ...]


def resolve_section(
    section: Section, shelf: Shelf | None, wanted: Mapping[str, needs.Need], scope: Scope
) -> Resolved:
    """Read what was asked for. Observations that lack a needed value fall out of ``inside``.

    Parameters
    ----------
    shelf
        The section's stored Runs; None where it has none.
    """
    observed = section.observations
    names = observed.names if observed is not None else np.array([], dtype=object)
    xy = observed.xy if observed is not None else np.empty((0, 2))
    inside = scope.mask(names)
    reader = _Reader(section, shelf, inside)
    data = {name: reader.read(need) for name, need in wanted.items()}
    if observed is not None and len(names) and not reader.inside.any():
        raise StmlError(
            "No observation is left to compute with", where=f"{section.name}, {scope.title}",
            do="choose a larger scope, or one where the table has values",
        )  # fmt: skip
    lattice = observed.lattice if observed is not None else None
    inputs = SectionInputs(
        section=section.name,
        names=names,
        xy=xy,
        inside=reader.inside,
        scope=scope,
        um_per_px=section.um_per_px,
        array=None if lattice is None else np.column_stack([lattice.rows, lattice.cols]),
        hexagonal=lattice is not None and lattice.hexagonal,
        data=data,
    )
    signatures = {name: signature(value) for name, value in data.items()}
    signatures["positions"] = signature((xy, section.um_per_px))
    signatures["inside"] = signature(reader.inside)
    return Resolved(inputs, signatures, tuple(reader.parents))


class _Reader:
    """Reads needs one by one; ``inside`` shrinks to what has all of them."""

    def __init__(self, section: Section, shelf: Shelf | None, inside: NDArray[np.bool_]) -> None:
        self.section, self.shelf = section, shelf
        self.inside = inside.copy()
        self.parents: list[str] = []

    def read(self, need: needs.Need) -> Any:
        match need:
            case needs.Expression():
                return self._expression(need)
            case needs.Column():
                return self._column(need)
            case needs.Embedding():
                return self._embedding(need)
            case needs.Pairs():
                return self._pairs(need)
            case needs.Pixels():
                return self._pixels(need)
            case needs.Outlines():
                return self._outlines(need)
            case needs.Stored():
                return self._stored(need.run, need.name)
            case needs.File():
                return self._file(need)

    def _table(self, name: str | None) -> Table:
        tables = self.section.tables
        if not tables:
            raise StmlError("This section has no table", where=self.section.name)
        if name is None:
            return next(iter(tables.values()))
        if name not in tables:
            raise StmlError(
                f"There is no table '{name}'", where=self.section.name,
                do=f"choose one of {', '.join(tables)}",
            )  # fmt: skip
        return tables[name]

    def _expression(self, need: needs.Expression) -> Matrix2D:
        table = self._table(need.table)
        rows = self.section.rows_of(table)
        self.inside &= rows >= 0
        kept = self.inside if need.inside_only else rows >= 0
        matrix = _at(table, rows, kept, need.layer)
        genes = tuple(str(g) for g in table.var_names)
        if matrix.shape[1] == 0:
            raise StmlError("This table has no genes", where=table.source)
        if not np.isfinite(matrix.data).all():
            raise StmlError(
                "The matrix holds values that are not numbers (NaN or infinite)",
                where=table.source, do="repair the table or choose another layer",
            )  # fmt: skip
        if need.transform != "as stored":
            _check_counts(matrix, table)
        if need.transform == "log":
            total = np.asarray(matrix.sum(axis=1)).ravel()
            factor = np.divide(PER, total, out=np.zeros_like(total), where=total > 0)
            matrix.data *= np.repeat(factor, np.diff(matrix.indptr)).astype(np.float32)
            np.log1p(matrix.data, out=matrix.data)
        if need.genes is not None:
            matrix, genes = _only(matrix, genes, need.genes, table)
        return Matrix2D(matrix, genes)

    def _column(self, need: needs.Column) -> Any:
        run, _, value = need.name.rpartition("/")
        if run:
            part = self._stored(run, value)
            if isinstance(part, Labels):
                return Categories(np.asarray(part.codes, np.int32), part.categories)
            return np.asarray(part.values, dtype=np.float64)
        column = self.section.values(need.name, table=need.table)
        if hasattr(column.dtype, "categories"):
            codes = np.asarray(column.cat.codes, dtype=np.int32)
            return Categories(codes, tuple(str(c) for c in column.cat.categories))
        return column.to_numpy(dtype=np.float64)

    def _embedding(self, need: needs.Embedding) -> NDArray[np.float64] | Named2D:
        run, _, value = need.key.rpartition("/")
        if run:
            part = self._stored(run, value)
            if not isinstance(part, Matrix):
                raise StmlError("This value is no embedding", where=need.key)
            array = np.asarray(part.values, dtype=np.float64)
            columns = part.columns
        else:
            array = np.asarray(self.section.obsm(need.key, table=need.table), dtype=np.float64)
            columns = self._names_of(need) if need.named else ()
        self.inside &= np.isfinite(array).all(axis=1)
        if not need.named:
            return array
        numbered = tuple(str(i + 1) for i in range(array.shape[1]))
        return Named2D(array, tuple(columns) if len(columns) == array.shape[1] else numbered)

    def _names_of(self, need: needs.Embedding) -> tuple[str, ...]:
        for name, table in self.section.tables.items():
            if need.table in (None, name) and need.key in table.obsm_keys:
                return table.obsm_names(need.key)
        return ()

    def _pairs(self, need: needs.Pairs) -> Any:
        run, _, value = need.key.rpartition("/")
        if run:
            return self._stored(run, value).matrix
        table = self._table(need.table)
        matrix = table.to_anndata().obsp[need.key]
        rows = self.section.rows_of(table)
        if (rows < 0).any():
            raise StmlError("The table does not cover all observations", where=table.source)
        return matrix[rows][:, rows].tocsr()

    def _pixels(self, need: needs.Pixels) -> Any:
        images = self.section.images
        if not images:
            raise StmlError("This section has no image", where=self.section.name)
        if need.image is None:
            return next(iter(images.values()))
        if need.image not in images:
            raise StmlError(
                f"There is no image '{need.image}'", where=self.section.name,
                do=f"choose one of {', '.join(images)}",
            )  # fmt: skip
        return images[need.image]

    def _outlines(self, need: needs.Outlines) -> tuple[Region, ...]:
        regions = self.shelf.regions() if self.shelf is not None else ()
        found = tuple(r for r in regions if need.classes is None or r.kind in need.classes)
        if not found:
            raise StmlError("No region is drawn yet", where=self.section.name, do="draw one first")
        return found

    def _stored(self, run: str, name: str) -> Any:
        if self.shelf is None:
            raise StmlError(f"There is no Run '{run}'", where=self.section.name)
        if run not in self.parents:
            self.parents.append(run)
        part = self.shelf.part(run, name)
        if isinstance(part, Values):
            self.inside &= np.isfinite(part.values)
        return part

    def _file(self, need: needs.File) -> Path:
        path = Path(need.path).expanduser()
        if not path.exists():
            raise StmlError("There is no such file", where=path)
        return path


def _at(table: Table, rows: NDArray[np.intp], kept: NDArray[np.bool_], layer: str | None) -> Any:
    """Rows of the kept observations at their places; the others are empty."""
    from scipy.sparse import csr_matrix

    some = table.rows(rows[kept], layer)
    counts = np.zeros(len(rows), dtype=np.int64)
    counts[kept] = np.diff(some.indptr)
    starts = np.concatenate([[0], np.cumsum(counts)])
    data = some.data.astype(np.float32, copy=False)
    return csr_matrix((data, some.indices, starts), shape=(len(rows), some.shape[1]))


def _check_counts(matrix: Any, table: Table) -> None:
    if matrix.nnz and (matrix.data < 0).any():
        raise StmlError(
            "Counts are needed, and this matrix holds negative values", where=table.source,
            do="choose the layer with raw counts",
        )  # fmt: skip


def _only(
    matrix: Any, genes: tuple[str, ...], wanted: tuple[str, ...], table: Table
) -> tuple[Any, tuple[str, ...]]:
    place = {g: i for i, g in enumerate(genes)}
    missing = [g for g in wanted if g not in place]
    if missing:
        raise StmlError(
            f"{len(missing)} of {len(wanted)} genes are not in this table: "
            f"{', '.join(missing[:8])}", where=table.source, do="choose other genes",
        )  # fmt: skip
    return matrix[:, [place[g] for g in wanted]].tocsr(), wanted


def signature(value: Any) -> str:
    """A hash of the content: equal arrays give equal signatures in every process."""
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, Matrix2D):
        _feed(digest, value.values)
        digest.update("\n".join(value.genes).encode())
    elif hasattr(value, "indptr"):
        for array in (value.indptr, value.indices, value.data):
            _feed(digest, np.asarray(array))
        digest.update(str(value.shape).encode())
    elif isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data.cast("B") if value.size else b"")
    elif isinstance(value, Path):
        _feed_file(digest, value)
    elif hasattr(value, "slide"):
        digest.update(f"{value.slide.key}{value.affine}".encode())
    elif isinstance(value, tuple | list):
        for item in value:
            _feed(digest, item)
    elif hasattr(value, "__dataclass_fields__"):
        for field in value.__dataclass_fields__:
            _feed(digest, getattr(value, field))
    else:
        digest.update(repr(value).encode())


def _feed_file(digest: Any, path: Path) -> None:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(str(file.relative_to(path) if path.is_dir() else file.name).encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
