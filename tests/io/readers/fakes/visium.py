"""Space Ranger folders as its versions write them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fakes.pictures import discs, write_rgb
from fakes.tenx import Matrix, matrix_of, write_h5, write_mtx

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 1600, 1440
HIRES, LOWRES = 0.5, 0.15
PITCH = 110.0
COLUMNS = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres",
           "pxl_col_in_fullres"]  # fmt: skip


@dataclass(frozen=True)
class Visium:
    """A folder and its truth; positions in full-resolution pixels by barcode."""

    outs: Path
    positions: pd.DataFrame
    matrix: Matrix

    @property
    def tissue(self) -> pd.DataFrame:
        return self.positions[self.positions["in_tissue"] == 1]

    @property
    def xy(self) -> np.ndarray:
        return self.tissue[["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy(float)


def lattice(*, whole: bool) -> pd.DataFrame:
    """Visium's numbering: columns alternate by the row's parity; slightly turned."""
    rows, cols = np.mgrid[:12, :24]
    rows, cols = rows.ravel(), cols.ravel()
    keep = (rows + cols) % 2 == 0
    rows, cols = rows[keep], cols[keep]
    x, y = cols * PITCH / 2 + 120, rows * PITCH * np.sqrt(3) / 2 + 150
    turn = np.deg2rad(0.4)
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    if whole:
        x, y = np.round(x), np.round(y)
    letters = np.array(list("ACGT"))
    digits = np.arange(len(rows))[:, None] // 4 ** np.arange(8) % 4
    barcodes = ["".join(letters[d]) + "TTGCAAGT-1" for d in digits]
    tissue = ((rows - 6) ** 2 + ((cols - 12) / 2) ** 2 < 30).astype(int)
    frame = pd.DataFrame(dict(zip(COLUMNS, (barcodes, tissue, rows, cols, y, x), strict=True)))
    if whole:
        pixels = ["pxl_row_in_fullres", "pxl_col_in_fullres"]
        frame[pixels] = frame[pixels].astype(int)
    return frame


def write_visium(
    outs: Path,
    *,
    version: str = "v2",
    matrix: str = "h5",
    protein: int = 0,
    full_image: float | None = None,
    raw: bool = False,
) -> Visium:
    """Write one.

    ``version``: "v1" (list without header), "v1 header" (old name, header), "txt", "v2",
    "parquet". ``matrix``: "h5", "mtx" or "none". ``full_image``: times the full resolution.
    """
    rng = np.random.default_rng(3)
    positions = lattice(whole=version.startswith("v1"))
    spatial = outs / "spatial"
    spatial.mkdir(parents=True)
    shuffled = positions.sample(frac=1, random_state=1)  # files are joined by barcode only
    if version == "parquet":
        shuffled.to_parquet(spatial / "tissue_positions.parquet", index=False)
    else:
        name = {"v2": "tissue_positions.csv", "txt": "tissue_positions_list.txt"}.get(
            version, "tissue_positions_list.csv"
        )
        header = version in ("v2", "v1 header")
        shuffled.to_csv(spatial / name, index=False, header=header)
    um = 100 / PITCH
    scale_factors = {
        "tissue_hires_scalef": HIRES,
        "tissue_lowres_scalef": LOWRES,
        "fiducial_diameter_fullres": 105 / um,
        "spot_diameter_fullres": 65 / um,
    }
    (spatial / "scalefactors_json.json").write_text(json.dumps(scale_factors))
    found = Visium(outs, positions, _matrix(positions, rng, protein))
    for name, scale in {"hires": HIRES, "lowres": LOWRES}.items():
        picture = discs(int(WIDTH * scale), int(HEIGHT * scale), found.xy * scale, 30 * scale)
        write_rgb(spatial / f"tissue_{name}_image.png", picture)
    write_rgb(spatial / "aligned_fiducials.jpg", picture)
    if full_image is not None:
        size = (int(WIDTH * full_image), int(HEIGHT * full_image))
        write_rgb(outs / "slide.tif", discs(*size, found.xy * full_image, 30 * full_image))
    _write_matrices(outs, found.matrix, matrix, set(found.tissue["barcode"]), raw=raw)
    return found


def _matrix(positions: pd.DataFrame, rng: np.random.Generator, protein: int) -> Matrix:
    return matrix_of(positions["barcode"].tolist(), rng, protein=protein)


def _write_matrices(outs: Path, whole: Matrix, kind: str, tissue: set[str], *, raw: bool) -> None:
    keep = [i for i, barcode in enumerate(whole.barcodes) if barcode in tissue][::-1]
    some = Matrix([whole.barcodes[i] for i in keep], whole.features, whole.counts[keep])
    write = {"h5": lambda stem, m: write_h5(outs / f"{stem}.h5", m),
             "mtx": lambda stem, m: write_mtx(outs / stem, m)}.get(kind)  # fmt: skip
    if write is not None:
        write("filtered_feature_bc_matrix", some)
        if raw:
            write("raw_feature_bc_matrix", whole)
