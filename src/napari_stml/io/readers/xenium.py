"""Xenium: cells with outlines, transcripts and morphology images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine, ScaleSource, UmPerPx
from napari_stml.io.contents import Contents, Element, Observations
from napari_stml.io.readers.instrument_files import (
    as_text,
    finite_xy,
    first_file,
    is_folder,
    one_of,
    positive_number,
    read_frame,
    read_json,
    unique_names,
)
from napari_stml.io.readers.obs_tables import columns_only, join_notes
from napari_stml.io.readers.polygons import frame_of, polygons_of_vertices
from napari_stml.io.readers.transcripts import transcripts_element
from napari_stml.io.readers.xenium_images import aligned_images, morphology
from napari_stml.io.readers.xenium_matrix import xenium_tables

if TYPE_CHECKING:
    import geopandas as gpd

MANIFEST = "experiment.xenium"
TRANSCRIPT_COLUMNS = {
    "x": "x_location",
    "y": "y_location",
    "z": "z_location",
    "gene": "feature_name",
}


class Xenium:
    """Reads Xenium output folders."""

    format = "Xenium"

    def claims(self, path: object) -> bool:
        return isinstance(path, Path) and is_folder(path) and (path / MANIFEST).is_file()

    def read(self, path: Path, *, image: str = "morphology") -> Contents:
        """Read lazily.

        Parameters
        ----------
        image
            "morphology", or "none": positions in um.
        """
        image = one_of("image", image, ("morphology", "none"), path)
        manifest = read_json(path / MANIFEST)
        pixel_size = positive_number(manifest, "pixel_size", path / MANIFEST)
        images = morphology(path) if image == "morphology" else {}
        notes: tuple[str, ...] = ()
        if images:
            placed, notes = aligned_images(path)
            images |= placed
            to_px = Affine.scaling(1 / pixel_size)
            um = UmPerPx.square(pixel_size, ScaleSource.READER)
        else:
            to_px, um = Affine(), UmPerPx.square(1.0, ScaleSource.READER)
            notes = ("without an image positions are in um",)
        cells_path = first_file(path, ("cells.parquet", "cells.csv.gz", "cells.csv"))
        if cells_path is None:
            raise CannotOpenError("cells.parquet and cells.csv.gz are missing", where=path)
        cells = read_frame(cells_path, ["cell_id", "x_centroid", "y_centroid"])
        names = unique_names(cells["cell_id"], cells_path)
        xy = to_px(finite_xy(cells, "x_centroid", "y_centroid", cells_path))
        boundaries = _boundaries(path, "cell")
        outlines = partial(cell_outlines, boundaries, to_px) if boundaries else None
        tables = xenium_tables(path)
        notes += join_notes(tables, names, path, "cells")
        if not tables:
            notes += ("there is no cell_feature_matrix in this folder",)
        columns = cells.drop(columns=["cell_id", "x_centroid", "y_centroid"])
        tables["cells"] = columns_only(columns, names, cells_path)
        return Contents(
            name=str(manifest.get("region_name") or path.name),
            format=self.format,
            images=images,
            observations=Observations("cells", names, xy, outlines=outlines),
            tables=tables,
            elements=_elements(path, to_px),
            um_per_px=um,
            choices={"image": ("morphology", "none")},
            chosen={"image": "morphology" if images else "none"},
            notes=notes,
        )


def _boundaries(folder: Path, what: str) -> Path | None:
    stem = f"{what}_boundaries"
    return first_file(folder, (f"{stem}.parquet", f"{stem}.csv.gz", f"{stem}.csv"))


def _elements(folder: Path, to_px: Affine) -> tuple[Element, ...]:
    found: list[Element] = []
    if nuclei := _boundaries(folder, "nucleus"):
        found.append(Element("nuclei", "shapes", partial(nucleus_outlines, nuclei), to_px))
    files = ("transcripts.parquet", "transcripts.csv.gz", "transcripts.csv")
    if transcripts := first_file(folder, files):
        found.append(transcripts_element(transcripts, TRANSCRIPT_COLUMNS, to_px))
    return tuple(found)


def cell_outlines(path: Path, to_px: Affine) -> gpd.GeoDataFrame:
    """Cell polygons by cell id, mapped from um; of several parts of a cell the largest."""
    frame = _read_outlines(path, to_px)
    if frame.index.has_duplicates:
        frame = frame.iloc[np.argsort(-frame.area.to_numpy(), kind="stable")]
        frame = frame[~frame.index.duplicated()].sort_index()
    return frame


def nucleus_outlines(path: Path) -> gpd.GeoDataFrame:
    """Nucleus polygons in um; the index is unique, the column ``cell_id`` names the cell."""
    frame = _read_outlines(path, Affine())
    frame["cell_id"] = frame.index
    frame.index = as_text(np.arange(len(frame)))
    return frame


def _read_outlines(path: Path, to_px: Affine) -> gpd.GeoDataFrame:
    """Vertices of one polygon follow each other; ``label_id`` tells nuclei of one cell apart."""
    needed = ["cell_id", "vertex_x", "vertex_y"]
    frame = read_frame(path, needed, columns=[*needed, "label_id"])
    part = frame["label_id" if "label_id" in frame else "cell_id"].to_numpy()
    polygons, starts = polygons_of_vertices(frame, part, "vertex_x", "vertex_y", path)
    return frame_of(polygons, as_text(frame["cell_id"].to_numpy()[starts]), to_px)


READER = Xenium()
