"""Visium HD folders: bins of several sizes, and segmented cells as Space Ranger 4 writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fakes.pictures import discs, write_rgb
from fakes.tenx import Matrix, matrix_of, write_h5
from fakes.visium import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

UM_PER_PX = 0.274
AREA_UM = 320
ORIGIN = (150.0, 120.0)
HIRES = 0.5
SIZE = 1600


@dataclass(frozen=True)
class VisiumHDFolder:
    """Truth by bin size; cells by name with their centre and half side (full-resolution px)."""

    outs: Path
    bins: dict[int, pd.DataFrame]
    matrices: dict[int, Matrix]
    cells: pd.DataFrame


def write_visium_hd(outs: Path, *, sizes: tuple[int, ...] = (8, 16), cells: bool = True,
                    full_image: bool = False) -> VisiumHDFolder:  # fmt: skip
    rng = np.random.default_rng(5)
    bins, matrices = {}, {}
    for size in sizes:
        folder = outs / "binned_outputs" / f"square_{size:03d}um"
        bins[size] = positions = _bins(size)
        (folder / "spatial").mkdir(parents=True)
        positions.to_parquet(folder / "spatial" / "tissue_positions.parquet", index=False)
        _write_scale_factors(folder / "spatial", size)
        tissue = positions.loc[positions["in_tissue"] == 1, "barcode"].tolist()
        matrices[size] = matrix_of(tissue, rng)
        write_h5(folder / "filtered_feature_bc_matrix.h5", matrices[size])
    centres = np.array([[x, y] for y in range(300, 1100, 100) for x in range(250, 1150, 90)])
    picture = discs(SIZE, SIZE, centres, 30)
    spatial = outs / "spatial"
    write_rgb(spatial / "tissue_hires_image.png", picture[::2, ::2])
    if full_image:
        write_rgb(outs / "microscope.tif", picture)
    frame = _write_cells(outs, centres, rng) if cells else pd.DataFrame()
    return VisiumHDFolder(outs, bins, matrices, frame)


def _bins(size: int) -> pd.DataFrame:
    n = AREA_UM // size
    rows, cols = (grid.ravel() for grid in np.mgrid[:n, :n])
    side = size / UM_PER_PX
    turn = np.deg2rad(0.3)
    x, y = (cols + 0.5) * side, (rows + 0.5) * side
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    pairs = zip(rows, cols, strict=True)
    barcodes = [f"s_{size:03d}um_{row:05d}_{col:05d}-1" for row, col in pairs]
    tissue = (rows + cols > n // 2).astype(np.int64)
    columns = (barcodes, tissue, rows, cols, y + ORIGIN[1], x + ORIGIN[0])
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def _write_scale_factors(folder: Path, size: int | None) -> None:
    content = {
        "tissue_hires_scalef": HIRES,
        "tissue_lowres_scalef": 0.05,
        "fiducial_diameter_fullres": 1205.0,
        "regist_target_img_scalef": HIRES,
        "microns_per_pixel": UM_PER_PX,
    }
    if size is not None:
        content |= {"bin_size_um": float(size), "spot_diameter_fullres": size / UM_PER_PX}
    (folder / "scalefactors_json.json").write_text(json.dumps(content))


def _write_cells(outs: Path, centres: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    folder = outs / "segmented_outputs"
    (folder / "spatial").mkdir(parents=True)
    _write_scale_factors(folder / "spatial", None)
    half = 18.0
    corners = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [(centre + corners).tolist()]},
            "properties": {"cell_id": i + 1},
        }
        for i, centre in enumerate(centres)
    ]
    content = {"type": "FeatureCollection", "features": features}
    (folder / "cell_segmentations.geojson").write_text(json.dumps(content))
    names = [f"cellid_{i + 1:09d}-1" for i in range(len(centres))]
    write_h5(folder / "filtered_feature_cell_matrix.h5", matrix_of(names, rng))
    return pd.DataFrame({"x": centres[:, 0], "y": centres[:, 1], "half": half}, index=names)
