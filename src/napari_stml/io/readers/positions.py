"""Positions in an AnnData table: an entry of obsm, or two columns of obs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.pitch import lattice_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_stml.io.contents import Lattice
    from napari_stml.io.tables.base import Table

OBSM_KEYS = ("spatial", "X_spatial", "spatial_fov", "spatial_px", "X_umap_spatial")

COLUMN_PAIRS = (
    ("pxl_col_in_fullres", "pxl_row_in_fullres"),
    ("imagecol", "imagerow"),
    ("pixel_x", "pixel_y"),
    ("x", "y"),
    ("X", "Y"),
    ("x_centroid", "y_centroid"),
    ("center_x", "center_y"),
    ("CenterX_global_px", "CenterY_global_px"),
    ("array_col", "array_row"),
    ("array_x", "array_y"),
)
"""Pairs of obs columns (x, y) that are tried in this order; array positions come last."""

LATTICES = (("array_row", "array_col"), ("array_y", "array_x"))

MOST_PLANES = 200


@dataclass(frozen=True)
class Positions:
    """Where the rows of a table lie; NaN where it does not say.

    ``z`` is the third column of an obsm entry that has one.
    """

    xy: NDArray[np.float64]
    z: NDArray[np.float64] | None
    chosen: str
    possible: tuple[str, ...]

    @property
    def planes(self) -> tuple[str, ...]:
        """Values of z to choose from, when they are few."""
        if self.z is None:
            return ()
        values = np.unique(self.z[np.isfinite(self.z)])
        return tuple(f"{v:g}" for v in values) if 1 < len(values) <= MOST_PLANES else ()


def possible_positions(table: Table) -> tuple[str, ...]:
    """Name what may hold positions, the default first."""
    flat = [k for k in table.obsm_keys if len(table.obsm_names(k)) in {2, 3}]
    named = [k for k in OBSM_KEYS if k in flat]
    similar = [
        k for k in flat if k not in named and any(w in k.lower() for w in ("spatial", "coord"))
    ]
    columns = set(table.columns)
    pairs = [f"{x},{y}" for x, y in COLUMN_PAIRS if {x, y} <= columns]
    return (*named, *similar, *pairs)


def find_positions(table: Table, asked: str | None = None) -> Positions | None:
    """Read positions as asked or by default; None when there are none and none were asked for."""
    possible = possible_positions(table)
    taken = asked or next(iter(possible), None)
    if taken is None:
        return None
    if taken in table.obsm_keys:
        values = _numbers(table, taken, table.obsm(taken))
    elif len(pair := [part.strip() for part in taken.split(",")]) == 2 and (
        set(pair) <= set(table.columns)
    ):
        values = np.column_stack([_numbers(table, c, _plain(table.column(c))) for c in pair])
    else:
        raise CannotOpenError(
            f"There are no positions '{taken}'", where=table.source, do=_advice(table, possible)
        )
    if values.ndim != 2 or values.shape[1] < 2:
        raise CannotOpenError(
            f"'{taken}' has fewer than two columns", where=table.source, do=_advice(table, possible)
        )
    z = values[:, 2] if values.shape[1] == 3 else None
    listed = possible if taken in possible else (taken, *possible)
    return Positions(values[:, :2], z, taken, listed)


def no_positions(table: Table) -> CannotOpenError:
    """Make the error for tables without any positions."""
    return CannotOpenError(
        "No positions found", where=table.source, do=_advice(table, possible_positions(table))
    )


def array_lattice(table: Table, rows: NDArray[np.intp], xy: NDArray[np.float64]) -> Lattice | None:
    """Read the array coordinates of some rows, when all of them have whole ones."""
    for pair in LATTICES:
        if not set(pair) <= set(table.columns):
            continue
        try:
            row, col = (_numbers(table, c, _plain(table.column(c)))[rows] for c in pair)
        except CannotOpenError:
            continue
        both = np.concatenate([row, col])
        if len(both) and np.isfinite(both).all() and (both == np.round(both)).all():
            return lattice_of(row.astype(np.int64), col.astype(np.int64), xy)
    return None


def _plain(column: Any) -> Any:
    return column.astype(object).to_numpy() if hasattr(column, "cat") else column.to_numpy()


def _numbers(table: Table, name: str, values: Any) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CannotOpenError(
            f"'{name}' does not hold numbers",
            where=table.source,
            do=_advice(table, possible_positions(table)),
        ) from error


def _advice(table: Table, possible: tuple[str, ...]) -> str:
    obsm = ", ".join(table.obsm_keys) or "none"
    columns = ", ".join(table.columns[:12]) or "none"
    likely = f" (likely: {'; '.join(possible)})" if possible else ""
    return (
        f"name an obsm entry (here: {obsm}) or two obs columns (here: {columns}) with the option "
        f'positions, for example positions="x,y"{likely}'
    )
