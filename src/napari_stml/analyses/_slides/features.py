"""Tiles to embed, and features as parts: per observation where tiles surround them, else tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.analyses._shared.charts import numbers
from napari_stml.analyses._slides.slide import ROW, default_um_per_px, grid_of, tiles_part
from napari_stml.analyses._slides.tiles_live import KEPT
from napari_stml.core.charts import Axis, Chart
from napari_stml.core.errors import StmlError
from napari_stml.core.results import Matrix, Part, Tiles, Values
from napari_stml.slide import grid as grids
from napari_stml.slide.brightfield import overview
from napari_stml.slide.feature_file import read_features
from napari_stml.slide.tissue import TISSUE, find_tissue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_stml.analyses._slides.slide import Picture
    from napari_stml.core.inputs import SectionInputs
    from napari_stml.slide.grid import TileGrid

FEATURES = "features"
COMPONENTS = 3
MOST_COLUMNS = 4096
USUAL_PIXELS = 224
USUAL_UM = 112.0
"""Width of a tile where nothing else is said: it covers a spot and half the way to the next."""


@dataclass(frozen=True)
class Found:
    """Features by tile; ``row`` is the observation of each tile, -1 on a grid."""

    grid: TileGrid
    row: NDArray[np.int64]
    values: NDArray[np.float32]
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    said: Mapping[str, object]

    @property
    def by_observation(self) -> bool:
        return bool(len(self.row) and (self.row >= 0).all())


def tiles_for(
    section: SectionInputs, seen: Picture, run: str, *, pixels: int = 0,
    um_per_px: float = 0.0,
) -> tuple[TileGrid, NDArray[np.int64]]:  # fmt: skip
    """The tiles of a stored Run, or the usual ones: around spots, else a grid on the tissue."""
    if run:
        tiles = section["tiles"]
        grid = grid_of(tiles, section["settings"], seen, run)
        row = np.asarray(tiles.values.get(ROW, np.full(len(grid), -1)), dtype=np.int64)
        if (row >= len(section.names)).any():
            raise StmlError("These tiles belong to another section", where=run)
        inside = (row < 0) | section.inside[row] if len(section.names) else row < 0
        if KEPT in tiles.values:
            inside &= np.asarray(tiles.values[KEPT]).astype(str) == "kept"
        if not inside.any():
            raise StmlError("All tiles are left out", where=run, do="choose a wider scope, or "
                            "other thresholds of quality")  # fmt: skip
        return grid.only(inside), row[inside]
    um = default_um_per_px(seen.scale, um_per_px)
    pixels = pixels or max(16, round(USUAL_UM / um))
    if len(section.names):
        rows = np.flatnonzero(section.inside)
        xy = seen.on_slide(section.xy[rows])
        return grids.centred_on(xy, seen.canvas, pixels, um), rows.astype(np.int64)
    grid = grids.grid_over(seen.canvas, pixels, um)
    grid = with_tissue(grid, seen)
    keep = grid.share >= 0.5
    if section.scope.polygons:
        keep &= grids.touching(grid, section.scope.polygons, seen.affine)
    if not keep.any():
        raise StmlError(
            "No tile has enough tissue", where=section.section, do="make a Run of 'Tiles' first"
        )
    return grid.only(keep), np.full(int(keep.sum()), -1, dtype=np.int64)


def with_tissue(grid: TileGrid, seen: Picture) -> TileGrid:
    """Give every tile the share of it that is tissue, found at once on a coarse picture."""
    view = overview(seen.slide, seen.scale, 8.0, seen.look)
    light = view.pixels if seen.look.is_colour else 255 - view.pixels
    mask = find_tissue(light, view.um_per_px).classes == TISSUE
    return grids.with_share(grid, mask, view.affine.inverse())


def read_in(section: SectionInputs, seen: Picture, path: Path) -> Found:
    """Features of an .h5 file, as tiles of this slide."""
    file = read_features(path)
    if file.features.shape[1] > MOST_COLUMNS:
        raise StmlError(f"More than {MOST_COLUMNS} features per tile", where=path)
    side = file.side or _spacing(file.coords)
    over = seen.canvas.outside(file.coords, side)
    if (over > 0.999).mean() > 0.05:
        raise StmlError(
            "Many of these tiles lie outside this slide", where=path,
            do="read the features of this slide; coordinates are level-0 pixels",
        )  # fmt: skip
    n = len(file.coords)
    grid = grids.TileGrid(
        np.round(file.coords).astype(np.int64), side, USUAL_PIXELS,
        side * seen.scale.mean / USUAL_PIXELS, np.ones(n, dtype=np.float32), over,
    )  # fmt: skip
    notes = [f"{n} tiles read from {path.name}, {file.features.shape[1]} features"]
    if file.side is None:
        notes.append(f"the file does not say how large a tile is: {side:g} px, their distance")
    columns = tuple(f"f{i:04d}" for i in range(file.features.shape[1]))
    said = {"slide": seen.slide.key, "encoder": file.encoder or "unknown", "identity": "read"}
    row = _around(section, seen, grid)
    return Found(grid, row, file.features, columns, tuple(notes), said)


def _around(section: SectionInputs, seen: Picture, grid: TileGrid) -> NDArray[np.int64]:
    """Observations whose centre is a tile's centre within a tenth of its side, if all tiles fit."""
    nobody = np.full(len(grid), -1, dtype=np.int64)
    rows = np.flatnonzero(section.inside)
    if not len(rows):
        return nobody
    from scipy.spatial import cKDTree

    distance, near = cKDTree(seen.on_slide(section.xy[rows])).query(grid.centres)
    if (distance > grid.side / 10).any() or len(np.unique(near)) < len(near):
        return nobody
    return np.asarray(rows[near], dtype=np.int64)


def _spacing(coords: NDArray[np.float64]) -> float:
    from scipy.spatial import cKDTree

    if len(coords) < 2:
        raise StmlError("The file does not say how large a tile is")
    distance, _ = cKDTree(coords).query(coords, k=2)
    return float(np.median(distance[:, 1]))


def components(found: Found) -> tuple[NDArray[np.float32], Chart]:
    """The first principal components of the standardised features, to be looked at at once."""
    values = found.values.astype(np.float64)
    values = values - values.mean(axis=0)
    spread = values.std(axis=0)
    values = values[:, spread > 1e-9] / spread[spread > 1e-9]
    k = min(COMPONENTS, *values.shape)
    out = np.zeros((len(values), COMPONENTS), dtype=np.float32)
    share = np.zeros(0)
    if k:
        covariance = values.T @ values
        power, axes = np.linalg.eigh(covariance)
        axes = axes[:, ::-1][:, :k]
        axes *= np.where(np.abs(axes).max(axis=0) == axes.max(axis=0), 1.0, -1.0)
        out[:, :k] = values @ axes
        share = 100 * np.clip(power[::-1][:10], 0, None) / max(power.sum(), 1e-12)
    title = "Directions of the features"
    data = {"component": list(range(1, len(share) + 1)), "variance": numbers(share)}
    return out, Chart("variance of features", "line", title, Axis("component"),
                      Axis("variance", "%"), data)  # fmt: skip


def parts_of(
    section: SectionInputs, seen: Picture, found: Found, directions: NDArray[np.float32]
) -> tuple[Part, ...]:
    """Values and a matrix by observation; or one set of tiles with a column per feature."""
    if found.by_observation:
        n = len(section.names)
        matrix = np.full((n, found.values.shape[1]), np.nan, dtype=np.float32)
        matrix[found.row] = found.values
        shown = []
        for i in range(COMPONENTS):
            column = np.full(n, np.nan, dtype=np.float32)
            column[found.row] = directions[:, i]
            shown.append(Values(f"look {i + 1}", column, scale="diverging"))
        return (*shown, Matrix(FEATURES, matrix, found.columns))
    columns: dict[str, NDArray[Any]] = {
        f"look {i + 1}": directions[:, i] for i in range(COMPONENTS)
    }
    columns["tissue share"] = found.grid.share
    columns["outside the slide"] = found.grid.outside
    columns |= {c: found.values[:, i] for i, c in enumerate(found.columns)}
    return (tiles_part(found.grid, seen, columns, FEATURES, colour_by="look 1"),)


NOT_FEATURES = frozenset({*(f"look {i + 1}" for i in range(COMPONENTS)), "tissue share",
                          "outside the slide", ROW, "cluster", "likeness"})  # fmt: skip


def stored_features(part: Any, run: str) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Features of a stored Run: rows are observations (NaN where missing) or tiles."""
    if isinstance(part, Matrix):
        values = np.asarray(part.values, dtype=np.float32)
        return values, part.columns or tuple(f"f{i:04d}" for i in range(values.shape[1]))
    if isinstance(part, Tiles):
        columns = tuple(c for c in part.values if c not in NOT_FEATURES)
        if columns:
            return np.column_stack([part.values[c] for c in columns]).astype(np.float32), columns
    raise StmlError("This Run holds no features", where=run, do="choose a Run of 'Features'")
