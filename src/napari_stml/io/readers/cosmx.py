"""CosMx: flat files of cells and counts, and images per field of view."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine, UmPerPx
from napari_stml.io.contents import Contents, Element, Observations
from napari_stml.io.readers import cosmx_scale
from napari_stml.io.readers.cosmx_frames import (
    ORIENTATIONS,
    fit_local_to_global,
    image_to_local,
    measured_orientation,
)
from napari_stml.io.readers.csv_matrix import read_counts, tables_with_obs
from napari_stml.io.readers.instrument_files import (
    finite_xy,
    is_folder,
    matching,
    one_of,
    read_frame,
    require_columns,
    unique_names,
    whole_numbers,
)
from napari_stml.io.readers.obs_tables import as_category, columns_only, join_notes
from napari_stml.io.readers.placing import placed
from napari_stml.io.readers.polygons import frame_of, polygons_of_vertices
from napari_stml.io.readers.transcripts import transcripts_element

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    from numpy.typing import NDArray

    from napari_stml.io.contents import PlacedSlide
    from napari_stml.io.tables.base import Table

GLOBAL = ("CenterX_global_px", "CenterY_global_px")
LOCAL = ("CenterX_local_px", "CenterY_local_px")
TRANSCRIPT_COLUMNS = {"x": "x_global_px", "y": "y_global_px", "z": "z", "gene": "target"}
CONTROL = re.compile(r"^(negprb|negative|systemcontrol|falsecode)", re.IGNORECASE)
IMAGE_PATTERNS = ("*.jpg", "*.jpeg", "*.png", "*.tif", "*.tiff")
ORIENTATION_WITHOUT_LABELS = "flip y"
_FIELD = re.compile(r"_F(\d+)", re.IGNORECASE)


class CosMx:
    """Reads folders of CosMx flat files."""

    format = "CosMx"

    def claims(self, path: object) -> bool:
        return isinstance(path, Path) and is_folder(path) and bool(_flat(path, "metadata_file"))

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
        fields = _read_fields(path)
        composites = _by_field(path / "CellComposite") if image == "composite" else {}
        placing = _place(path, cells, fields, composites, orientation) if composites else None
        size = placing.field_size if placing else None
        um, guess, how = cosmx_scale.um_per_px(cells.frame, fields, size)
        if placing is not None:
            um, guess = (_scaled(value, placing.global_per_ref) for value in (um, guess))
        to_ref = placing.global_to_ref if placing else Affine()
        notes = (how, *(placing.notes if placing else ("positions are in global pixels",)))
        tables, table_notes = _tables(path, cells)
        polygons = _flat(path, "-polygons", suffix="")
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


@dataclass(frozen=True)
class Cells:
    """The metadata file; ``xy`` in global pixels, ``keys`` are "<fov>_<cell_ID>"."""

    frame: pd.DataFrame
    names: NDArray[np.object_]
    keys: dict[str, str]
    fov: NDArray[np.int64]
    cell_id: NDArray[np.int64]
    xy: NDArray[np.float64]
    path: Path


def read_cells(folder: Path) -> Cells:
    path = _flat(folder, "metadata_file")
    if path is None:
        raise CannotOpenError("There is no *_metadata_file.csv", where=folder)
    frame = read_frame(path, ["fov", "cell_ID", *GLOBAL])
    fov, cell_id = (whole_numbers(frame, name, path) for name in ("fov", "cell_ID"))
    keys = unique_names([f"{f}_{c}" for f, c in zip(fov, cell_id, strict=True)], path)
    named = frame.get("cell")
    names = keys if named is None or named.duplicated().any() else unique_names(named, path)
    by_key = dict(zip(keys.tolist(), names.tolist(), strict=True))
    return Cells(frame, names, by_key, fov, cell_id, finite_xy(frame, *GLOBAL, path), path)


def _flat(folder: Path, stem: str, suffix: str = "") -> Path | None:
    found = matching(folder, f"*{stem}{suffix}.csv", f"*{stem}{suffix}.csv.gz")
    return found[0] if found else None


def _read_fields(folder: Path) -> pd.DataFrame | None:
    """Positions of the fields; newer files call the column FOV."""
    path = _flat(folder, "fov_positions_file")
    if path is None:
        return None
    frame = read_frame(path).rename(columns={"FOV": "fov"})
    require_columns(frame, ["fov"], path)
    return frame


def _by_field(folder: Path) -> dict[int, Path]:
    found = ((p, _FIELD.search(p.name)) for p in matching(folder, *IMAGE_PATTERNS))
    return dict(sorted((int(match[1]), path) for path, match in found if match))


@dataclass(frozen=True)
class Placing:
    """Where the fields' images lie; the first one is the reference."""

    images: dict[str, PlacedSlide]
    masks: dict[str, tuple[Path, Affine]]
    global_to_ref: Affine
    field_size: tuple[int, int]
    orientation: str
    notes: tuple[str, ...]

    @property
    def global_per_ref(self) -> float:
        return 1 / self.global_to_ref.length_factor


def _place(
    folder: Path,
    cells: Cells,
    fields: pd.DataFrame | None,
    composites: dict[int, Path],
    orientation: str | None,
) -> Placing:
    from napari_stml.io.slides import open_slide

    local = finite_xy(cells.frame, *LOCAL, cells.path)
    to_global = fit_local_to_global(cells.fov, local, cells.xy, cells.path, _stated_origins(fields))
    known = {fov: path for fov, path in composites.items() if fov in to_global}
    if not known:
        raise CannotOpenError(
            "None of the images belongs to a field of view with cells or a position",
            where=folder / "CellComposite",
            do="check the numbers in the images' names, or open with image=none",
        )
    masks = {f: p for f, p in _by_field(folder / "CellLabels").items() if f in to_global}
    orientation, notes = _orientation(cells, local, masks, orientation)
    if left_out := sorted(set(composites) - set(known)):
        notes += (f"images of fields without cells or position are left out: {left_out}",)
    slides = {fov: open_slide(path) for fov, path in known.items()}
    first = next(iter(slides.values()))
    if masks:
        with open_slide(next(iter(masks.values()))) as mask:
            size = (mask.width, mask.height)
    else:
        size = (first.width, first.height)
    field_to_local = image_to_local(orientation, *size)
    shrink = Affine.scaling(size[0] / first.width, size[1] / first.height)
    image_global = {fov: to_global[fov] @ field_to_local @ shrink for fov in slides}
    global_to_ref = next(iter(image_global.values())).inverse()
    images = {
        f"F{fov:03d}": placed(
            slide, Affine() if slide is first else global_to_ref @ image_global[fov]
        )
        for fov, slide in slides.items()
    }
    placed_masks = {
        f"F{fov:03d} cells": (path, global_to_ref @ to_global[fov] @ field_to_local)
        for fov, path in masks.items()
    }
    return Placing(images, placed_masks, global_to_ref, size, orientation, notes)


def _orientation(
    cells: Cells,
    local: NDArray[np.float64],
    masks: dict[int, Path],
    asked: str | None,
) -> tuple[str, tuple[str, ...]]:
    """As asked, else measured on the field with most cells, else the usual one."""
    from napari_stml.io.slides import open_slide

    if asked is not None:
        return asked, ()
    if masks:
        fullest = max(masks, key=lambda fov: int((cells.fov == fov).sum()))
        here = cells.fov == fullest
        with open_slide(masks[fullest]) as labels:
            found, share = measured_orientation(labels, local[here], cells.cell_id[here])
        if found is not None:
            return found, (f"orientation '{found}': {share:.0%} of cells lie on their label",)
    return ORIENTATION_WITHOUT_LABELS, (
        f"orientation '{ORIENTATION_WITHOUT_LABELS}' is assumed, no cell labels confirm it; "
        "check that cells lie on the image, else open with another orientation",
    )


def _stated_origins(fields: pd.DataFrame | None) -> dict[int, NDArray[np.float64]]:
    if fields is None or not {"x_global_px", "y_global_px"} <= set(fields.columns):
        return {}
    rows = fields[["fov", "x_global_px", "y_global_px"]].to_numpy(dtype=np.float64)
    return {int(f): np.array([x, y]) for f, x, y in rows if np.isfinite([f, x, y]).all()}


def _scaled(um: UmPerPx | None, factor: float) -> UmPerPx | None:
    return None if um is None else UmPerPx(um.x * factor, um.y * factor, um.source)


def _tables(folder: Path, cells: Cells) -> tuple[dict[str, Table], tuple[str, ...]]:
    obs = cells.frame.drop(columns=["cell", *LOCAL, *GLOBAL], errors="ignore")
    for name in obs.columns:
        if name == "fov" or obs[name].dtype == object:
            obs[name] = as_category(obs[name])
    path = _flat(folder, "exprMat_file")
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
    if path := _flat(folder, "tx_file"):
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
