"""CosMx: flat files of cells and counts, and images per field of view."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.geometry import Affine, UmPerPx
from napari_stml.io.contents import Contents, Element, Observations
from napari_stml.io.readers import cosmx_scale
from napari_stml.io.readers.cosmx_cells import GLOBAL, Cells, flat_file, read_cells, read_fields
from napari_stml.io.readers.cosmx_frames import ORIENTATIONS
from napari_stml.io.readers.cosmx_images import LOCAL, Placing, images_by_field, place_fields
from napari_stml.io.readers.csv_matrix import read_counts, tables_with_obs
from napari_stml.io.readers.instrument_files import (
    is_folder,
    one_of,
    read_frame,
    require_columns,
    unique_names,
)
from napari_stml.io.readers.obs_tables import as_category, columns_only, join_notes
from napari_stml.io.readers.polygons import frame_of, polygons_of_vertices
from napari_stml.io.readers.transcripts import transcripts_element

if TYPE_CHECKING:
    import geopandas as gpd

    from napari_stml.io.tables.base import Table

TRANSCRIPT_COLUMNS = {"x": "x_global_px", "y": "y_global_px", "z": "z", "gene": "target"}
CONTROL = re.compile(r"^(negprb|negative|systemcontrol|falsecode)", re.IGNORECASE)


class CosMx:
    """Reads folders of CosMx flat files."""

    format = "CosMx"

    def claims(self, path: object) -> bool:
        return isinstance(path, Path) and is_folder(path) and bool(flat_file(path, "metadata_file"))

    def read(
        self, path: Path, *, image: str = "composite", orientation: str | None = None
    ) -> Contents:
        """Read; counts are parsed, everything else is lazy.

        Parameters
        ----------
        image
            "composite", or "none": positions in global pixels.
        orientation
            How local positions lie on the images: one of `ORIENTATIONS`. Measured on the cell
            labels when not given.
        """
        image = one_of("image", image, ("composite", "none"), path)
        if orientation is not None:
            one_of("orientation", orientation, ORIENTATIONS, path)
        cells = read_cells(path)
        fields = read_fields(path)
        composites = images_by_field(path / "CellComposite") if image == "composite" else {}
        placing = place_fields(path, cells, fields, composites, orientation) if composites else None
        size = placing.field_size if placing else None
        um, guess, how = cosmx_scale.um_per_px(cells.frame, fields, size)
        if placing is not None:
            um, guess = (_scaled(value, placing.global_per_ref) for value in (um, guess))
        to_ref = placing.global_to_ref if placing else Affine()
        notes = (how, *(placing.notes if placing else ("positions are in global pixels",)))
        tables, table_notes = _tables(path, cells)
        polygons = flat_file(path, "-polygons")
        outlines = partial(cell_outlines, polygons, cells.keys, to_ref) if polygons else None
        return Contents(
            name=path.name,
            format=self.format,
            images=placing.images if placing else {},
            observations=Observations("cells", cells.names, to_ref(cells.xy), outlines=outlines),
            tables=tables,
            elements=_elements(path, to_ref, placing),
            um_per_px=um,
            um_per_px_guess=guess,
            choices={"image": ("composite", "none"), "orientation": ORIENTATIONS},
            chosen={
                "image": "composite" if placing else "none",
                **({"orientation": placing.orientation} if placing else {}),
            },
            notes=notes + table_notes,
        )


def _scaled(um: UmPerPx | None, factor: float) -> UmPerPx | None:
    return None if um is None else UmPerPx(um.x * factor, um.y * factor, um.source)


def _tables(folder: Path, cells: Cells) -> tuple[dict[str, Table], tuple[str, ...]]:
    obs = cells.frame.drop(columns=["cell", *LOCAL, *GLOBAL], errors="ignore")
    for name in obs.columns:
        if name == "fov" or obs[name].dtype == object:
            obs[name] = as_category(obs[name])
    path = flat_file(folder, "exprMat_file")
    if path is None:
        cells_only = {"cells": columns_only(obs, cells.names, cells.path)}
        return cells_only, ("there is no *_exprMat_file.csv",)
    obs.index = list(cells.names)
    matrix = read_counts(path, ["fov", "cell_ID"])
    extra = np.flatnonzero(np.isin(matrix.genes, ["cell", "cell_id"]))
    if len(extra):  # names again, in newer exports
        matrix = read_counts(path, ["fov", "cell_ID", *matrix.genes[extra].tolist()])
    keys = matrix.ids["fov"].str.cat(matrix.ids["cell_ID"], sep="_")
    names = unique_names([cells.keys.get(key, key) for key in keys], path)
    tables = tables_with_obs(matrix, names, obs, lambda gene: bool(CONTROL.match(gene)))
    return tables, join_notes(tables, cells.names, path, "cells")


def _elements(folder: Path, to_ref: Affine, placing: Placing | None) -> tuple[Element, ...]:
    from napari_stml.io.slides import open_slide

    found: list[Element] = []
    if path := flat_file(folder, "tx_file"):
        found.append(transcripts_element(path, TRANSCRIPT_COLUMNS, to_ref))
    if placing is not None:
        for name, (mask, affine) in placing.masks.items():
            found.append(Element(name, "labels", partial(open_slide, mask), affine))
    return tuple(found)


def cell_outlines(path: Path, keys: dict[str, str], to_ref: Affine) -> gpd.GeoDataFrame:
    """Outlines by cell name in reference pixels; cells without metadata are left out."""
    needed = ["fov", "cellID", "x_global_px", "y_global_px"]
    frame = read_frame(path)
    if "cellID" not in frame and "cell_ID" in frame:
        frame = frame.rename(columns={"cell_ID": "cellID"})
    require_columns(frame, needed, path)
    key = frame["fov"].astype(str).str.cat(frame["cellID"].astype(str), sep="_").to_numpy()
    polygons, starts = polygons_of_vertices(frame, key, "x_global_px", "y_global_px", path)
    names = np.array([keys.get(k, "") for k in key[starts]], dtype=object)
    known = names != ""
    outlines = frame_of(polygons[known], names[known], to_ref)
    return outlines[~outlines.index.duplicated()]


READER = CosMx()
