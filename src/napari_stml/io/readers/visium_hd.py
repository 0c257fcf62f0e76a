"""Visium HD: square bins of a chosen size, or the segmented cells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine, ScaleSource, UmPerPx
from napari_stml.io.contents import Contents, Lattice, Observations
from napari_stml.io.readers.instrument_files import (
    is_folder,
    one_of,
    positive_number,
    read_json,
    unique_names,
)
from napari_stml.io.readers.obs_tables import join_notes, tenx_tables
from napari_stml.io.readers.pitch import scale_disagreement
from napari_stml.io.readers.polygons import frame_of, geojson_cells
from napari_stml.io.readers.space_ranger import MATRIX, SCALE_FACTORS
from napari_stml.io.readers.visium_images import ReferenceFinder
from napari_stml.io.readers.visium_spots import read_positions

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from napari_stml.io.tables.base import Table

DEFAULT_BIN = "8um"
CELLS = "cells"
CELL_MATRIX = {"filtered": "filtered_feature_cell_matrix", "raw": "raw_feature_cell_matrix"}
_BIN = re.compile(r"^square_(\d{3})um$")


@dataclass(frozen=True)
class HdLayout:
    """Folders by what can be chosen: "2um", "8um", "16um", "cells"."""

    root: Path
    parts: dict[str, Path]

    @property
    def name(self) -> str:
        return self.root.parent.name if self.root.name == "outs" else self.root.name

    @property
    def default(self) -> str:
        bins = [part for part in self.parts if part != CELLS]
        return DEFAULT_BIN if DEFAULT_BIN in bins else (bins or list(self.parts))[0]


def find_hd_layout(path: Path) -> HdLayout | None:
    """Given the output folder, its parent, or the folder of one bin size."""
    if (single := _BIN.match(path.name)) and (path / "spatial").is_dir():
        root = path.parent.parent if path.parent.name == "binned_outputs" else path
        return HdLayout(root, {f"{int(single[1])}um": path})
    for root in (path, path / "outs"):
        bins = root / "binned_outputs"
        folders = sorted(p for p in bins.glob("square_*um") if _BIN.match(p.name))
        parts = {f"{int(p.name[7:10])}um": p for p in folders}
        if (root / "segmented_outputs" / "cell_segmentations.geojson").is_file():
            parts[CELLS] = root / "segmented_outputs"
        if parts:
            return HdLayout(root, parts)
    return None


class VisiumHD:
    """Reads Visium HD folders."""

    format = "Visium HD"

    def claims(self, path: object) -> bool:
        return isinstance(path, Path) and is_folder(path) and find_hd_layout(path) is not None

    def read(
        self,
        path: Path,
        *,
        bin_size: str | float | None = None,
        image: str | None = None,
        in_tissue: str | bool = "yes",
    ) -> Contents:
        """Read lazily.

        Parameters
        ----------
        bin_size
            "2um", "8um" (default), "16um", also as a number; "cells" for the segmented cells.
        image
            As for Visium.
        in_tissue
            "yes" (bins under tissue) or "all".
        """
        layout = find_hd_layout(path)
        if layout is None:
            raise CannotOpenError("No binned_outputs in this folder", where=path)
        asked = layout.default if bin_size is None else _bin_name(bin_size)
        part = one_of("bin_size", asked, tuple(layout.parts), path)
        tissue = in_tissue if isinstance(in_tissue, str) else ("yes" if in_tissue else "all")
        tissue = one_of("in_tissue", tissue, ("yes", "all"), path)
        folder = layout.parts[part]
        scale_path = folder / "spatial" / SCALE_FACTORS
        factors = read_json(scale_path)
        um_full = positive_number(factors, "microns_per_pixel", scale_path)
        found = _read_cells(folder) if part == CELLS else _read_bins(folder, tissue)
        above = (layout.root.parent,) if layout.root.name == "outs" else ()
        finder = ReferenceFinder(
            (folder / "spatial", layout.root / "spatial"),
            (layout.root, layout.root / "spatial", layout.root / "microscope_image", *above),
            factors,
            scale_path,
        )
        reference = finder.choose(image, found.xy)
        scale = reference.scale
        um = UmPerPx.square(um_full / scale, ScaleSource.READER)
        stated = reference.slide.um_per_px if reference.slide is not None else None
        notes = reference.notes + (scale_disagreement(um, stated) if stated else ())
        tables = _tables(folder, part, tissue)
        what = "cells" if part == CELLS else "bins"
        notes += join_notes(tables, found.names, folder, what)
        return Contents(
            name=layout.name,
            format=self.format,
            images=reference.images,
            observations=found.observations(scale, um, factors, scale_path),
            tables=tables,
            um_per_px=um,
            choices={
                "bin_size": tuple(layout.parts),
                "image": reference.choices,
                "in_tissue": ("yes", "all"),
            },
            chosen={"bin_size": part, "image": reference.name, "in_tissue": tissue},
            notes=notes,
        )


@dataclass(frozen=True)
class _Found:
    """Bins or cells in full-resolution pixels."""

    names: NDArray[np.object_]
    xy: NDArray[np.float64]
    rows: NDArray[np.int64] | None = None
    cols: NDArray[np.int64] | None = None
    geojson: Path | None = None

    def observations(
        self, scale: float, um: UmPerPx, factors: dict[str, Any], where: Path
    ) -> Observations:
        xy = self.xy * scale
        if self.geojson is not None:
            outlines = partial(cell_outlines, self.geojson, scale)
            return Observations("cells", self.names, xy, outlines=outlines)
        side = positive_number(factors, "bin_size_um", where) / um.mean
        lattice = None
        if self.rows is not None and self.cols is not None:
            lattice = Lattice(self.rows, self.cols, hexagonal=False, pitch_px=side)
        return Observations("bins", self.names, xy, radius_px=side / 2, lattice=lattice)


def _read_bins(folder: Path, tissue: str) -> _Found:
    bins = read_positions(folder / "spatial" / "tissue_positions.parquet")
    if tissue == "yes":
        bins = bins.where(bins.in_tissue)
    if not len(bins):
        raise CannotOpenError(
            "No bin is marked as under tissue", where=bins.path, do="open with in_tissue=all"
        )
    return _Found(bins.names, bins.xy, bins.rows, bins.cols)


def _read_cells(folder: Path) -> _Found:
    import shapely

    path = folder / "cell_segmentations.geojson"
    ids, polygons = geojson_cells(path)
    names = unique_names(_cell_names(ids), path)
    xy = shapely.get_coordinates(shapely.centroid(polygons))
    return _Found(names, xy, geojson=path)


def cell_outlines(path: Path, scale: float) -> gpd.GeoDataFrame:
    """Outlines of the segmented cells in reference pixels, by the matrix's cell names."""
    ids, polygons = geojson_cells(path)
    return frame_of(polygons, _cell_names(ids), Affine.scaling(scale))


def _cell_names(ids: NDArray[np.int64]) -> NDArray[np.object_]:
    """As the matrix names cell 17: cellid_000000017-1."""
    return np.array([f"cellid_{number:09d}-1" for number in ids.tolist()], dtype=object)


def _tables(folder: Path, part: str, tissue: str) -> dict[str, Table]:
    stems = CELL_MATRIX if part == CELLS else MATRIX
    first, second = ("raw", "filtered") if tissue == "all" else ("filtered", "raw")
    return tenx_tables(folder, stems[first]) or tenx_tables(folder, stems[second])


def _bin_name(value: str | float) -> str:
    """Read "8", 8, "008um" and "square_008um" all as "8um"."""
    text = str(value)
    digits = re.fullmatch(r"(?:square_)?0*(\d+)(?:\.0)?(?:um)?", text)
    return f"{digits[1]}um" if digits else text


READER = VisiumHD()
