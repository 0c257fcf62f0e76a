"""MERSCOPE: cells and transcripts in um, mosaics per stain and plane, an affine between them."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine, ScaleSource, UmPerPx
from napari_stml.io.contents import Contents, Element, Observations, PlacedSlide
from napari_stml.io.readers.csv_matrix import read_counts, tables_with_obs
from napari_stml.io.readers.instrument_files import (
    RECOPY,
    csv_header,
    finite_xy,
    first_file,
    is_folder,
    matching,
    one_of,
    read_frame,
    unique_names,
)
from napari_stml.io.readers.obs_tables import as_category, columns_only, join_notes
from napari_stml.io.readers.transcripts import transcripts_element

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    from numpy.typing import NDArray

    from napari_stml.io.tables.base import Table

CELLS = "cell_metadata.csv"
COUNTS = "cell_by_gene.csv"
TRANSFORM = "micron_to_mosaic_pixel_transform.csv"
BOUNDARIES = ("cell_boundaries.parquet", "cellpose_micron_space.parquet")
TRANSCRIPT_COLUMNS = {"x": "global_x", "y": "global_y", "z": "global_z", "gene": "gene"}
FIRST_STAIN = "DAPI"
_MOSAIC = re.compile(r"^mosaic_(?P<stain>.+)_z(?P<z>\d+)\.tiff?$")


class Merscope:
    """Reads MERSCOPE region folders."""

    format = "MERSCOPE"

    def claims(self, path: object) -> bool:
        if not (isinstance(path, Path) and is_folder(path)):
            return False
        files = (path / CELLS, path / COUNTS, path / "images" / TRANSFORM)
        return sum(file.is_file() for file in files) >= 2

    def read(self, path: Path, *, z: str | int | None = None, image: str = "mosaic") -> Contents:
        """Read; counts are parsed, everything else is lazy.

        Parameters
        ----------
        z
            The plane of mosaics and outlines; by default the middle one of those there.
        image
            "mosaic", or "none": positions in um.
        """
        image = one_of("image", image, ("mosaic", "none"), path)
        mosaics = find_mosaics(path / "images") if image == "mosaic" else {}
        planes = tuple(str(plane) for plane in sorted(mosaics))
        middle = planes[len(planes) // 2] if planes else "0"
        plane = middle if z is None else str(z)
        if planes and z is not None:
            plane = one_of("z", z, planes, path)
        names, frame, cells_path = _read_cells(path)
        at_um = finite_xy(frame, "center_x", "center_y", cells_path)
        notes: tuple[str, ...] = ()
        if planes:
            to_px = read_transform(path / "images" / TRANSFORM)
            um = _um_per_px(to_px)
        else:
            to_px, um = Affine(), UmPerPx.square(1.0, ScaleSource.READER)
            notes = ("without an image positions are in um",)
        tables, table_notes = _tables(path, names, frame, cells_path)
        boundaries = first_file(path, BOUNDARIES)
        outlines = partial(cell_outlines, boundaries, int(plane), to_px) if boundaries else None
        elements: tuple[Element, ...] = ()
        if transcripts := first_file(path, ("detected_transcripts.csv",)):
            elements = (transcripts_element(transcripts, TRANSCRIPT_COLUMNS, to_px),)
        return Contents(
            name=path.name,
            format=self.format,
            images=_open_mosaics(mosaics.get(int(plane), {})),
            observations=Observations("cells", names, to_px(at_um), outlines=outlines),
            tables=tables,
            elements=elements,
            um_per_px=um,
            choices={"image": ("mosaic", "none"), **({"z": planes} if planes else {})},
            chosen={"image": "mosaic", "z": plane} if planes else {"image": "none"},
            notes=notes + table_notes,
        )


def find_mosaics(folder: Path) -> dict[int, dict[str, Path]]:
    """Files by plane and stain, DAPI first."""
    planes: dict[int, dict[str, Path]] = {}
    for path in matching(folder, "mosaic_*_z*.tif", "mosaic_*_z*.tiff"):
        if match := _MOSAIC.match(path.name):
            planes.setdefault(int(match["z"]), {})[match["stain"]] = path
    return {
        z: dict(sorted(stains.items(), key=lambda item: (item[0] != FIRST_STAIN, item[0])))
        for z, stains in planes.items()
    }


def _open_mosaics(stains: dict[str, Path]) -> dict[str, PlacedSlide]:
    from napari_stml.io.slides import open_slide

    return {s: PlacedSlide(open_slide(path), role="channels") for s, path in stains.items()}


def read_transform(path: Path) -> Affine:
    """A 3 x 3 matrix, um to mosaic pixels."""
    if not path.is_file():
        raise CannotOpenError(
            f"{TRANSFORM} is missing",
            where=path,
            do="copy it from the run's images folder, or open with image=none",
        )
    try:
        text = path.read_text(encoding="utf-8").replace(",", " ")
        affine = Affine.of(np.array([line.split() for line in text.splitlines() if line.strip()],
                                    dtype=np.float64))  # fmt: skip
        affine.inverse()
    except (OSError, ValueError) as error:
        raise CannotOpenError(f"Not a 3 x 3 matrix: {error}", where=path, do=RECOPY) from error
    return affine


def _um_per_px(to_px: Affine) -> UmPerPx:
    """Along x and y: lengths of the matrix's columns, inverted."""
    linear = to_px.matrix[:2, :2]
    x, y = (1 / float(np.linalg.norm(linear[:, i])) for i in (0, 1))
    return UmPerPx(x, y, ScaleSource.READER)


def _read_cells(folder: Path) -> tuple[NDArray[np.object_], pd.DataFrame, Path]:
    """Ids have 19 digits, too many for a float, and stand in EntityID or an unnamed column."""
    path = folder / CELLS
    frame = read_frame(path, ["center_x", "center_y"], text=["EntityID", "Unnamed: 0", "id"])
    id_column = "EntityID" if "EntityID" in frame else str(frame.columns[0])
    if frame[id_column].dtype != object:
        frame = read_frame(path, text=[id_column])
    if frame[id_column].isna().any():
        raise CannotOpenError(f"Some cells have no {id_column}", where=path, do=RECOPY)
    names = unique_names(frame[id_column], path)
    return names, frame.drop(columns=id_column), path


def _tables(
    folder: Path, names: NDArray[np.object_], frame: pd.DataFrame, cells_path: Path
) -> tuple[dict[str, Table], tuple[str, ...]]:
    obs = frame.copy()
    for name in obs.columns:
        if name == "fov" or obs[name].dtype == object:
            obs[name] = as_category(obs[name])
    path = folder / COUNTS
    if not path.is_file():
        return {"cells": columns_only(obs, names, cells_path)}, (f"there is no {COUNTS}",)
    obs.index = list(names)
    id_column = _first_column(path)
    matrix = read_counts(path, [id_column])
    rows = unique_names(matrix.ids[id_column], path)
    tables = tables_with_obs(matrix, rows, obs, lambda gene: gene.lower().startswith("blank"))
    return tables, join_notes(tables, names, path, "cells")


def _first_column(path: Path) -> str:
    first = csv_header(path)[0]
    return "" if first.startswith("Unnamed: ") else first


def cell_outlines(path: Path, plane: int, to_px: Affine) -> gpd.GeoDataFrame:
    """Outlines of one plane (else of the nearest below or above) in reference pixels."""
    import geopandas as gpd
    import shapely

    frame = read_frame(path, ["EntityID"])
    column = next((c for c in ("Geometry", "geometry") if c in frame), None)
    if column is None:
        raise CannotOpenError("Column Geometry is missing", where=path, do=RECOPY)
    if "ZIndex" in frame:
        order = np.argsort(np.abs(frame["ZIndex"].to_numpy() - plane), kind="stable")
        frame = frame.iloc[order].drop_duplicates("EntityID").sort_index()
    try:
        geometry: Any = shapely.from_wkb(frame[column].to_numpy())
    except (TypeError, shapely.errors.GEOSException) as error:
        raise CannotOpenError(f"Not polygons: {error}", where=path, do=RECOPY) from error
    index = frame["EntityID"].astype(str).to_numpy(dtype=object)
    return gpd.GeoDataFrame({"geometry": shapely.transform(geometry, to_px)}, index=index)


READER = Merscope()
