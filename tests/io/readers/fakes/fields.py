"""Folders fov1/, fov2/, ... with one image and one .h5ad each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from fakes.pictures import discs, write_rgb

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 200, 150
CELLS = 12
GENES = ["KRAS", "EPCAM", "CD3E", "VIM"]


@dataclass(frozen=True)
class Fields:
    """Positions on each field's image, in the order of fields."""

    folder: Path
    local: list[np.ndarray]
    places: np.ndarray
    counts: list[np.ndarray]


def write_fields(
    folder: Path,
    numbers: tuple[int, ...] = (1, 2, 10),
    *,
    keys: str = "obs",
    globals_: str = "none",
    unique: bool = False,
) -> Fields:
    """Write one; ``globals_``: "none", "obs" or "file"; ``keys``: "obs" (cx, cy) or "obsm"."""
    rng = np.random.default_rng(17)
    places = np.array([[900 + i * 230.0, 70 + i % 2 * 40.0] for i in range(len(numbers))])
    grid = np.array([[x, y] for y in (25, 70, 115) for x in (30, 75, 120, 165)], float)
    local, counts = [], []
    for number, place in zip(numbers, places, strict=True):
        home = folder / f"fov{number}"
        xy = grid + rng.uniform(-8, 8, grid.shape)
        local.append(xy)
        counts.append(rng.poisson(2.0, (CELLS, len(GENES))).astype(np.float32))
        write_rgb(home / f"CellComposite_F{number:03d}.jpg", discs(WIDTH, HEIGHT, xy, 6))
        start = f"f{number}_" if unique else ""
        obs = pd.DataFrame(index=[f"{start}cell{i}" for i in range(CELLS)])
        obs["merge_cell_type"] = pd.Categorical(["tumour", "T cell"] * (CELLS // 2))
        if keys == "obs":
            obs["cx"], obs["cy"] = xy.T
        if globals_ == "obs":
            obs["CenterX_global_px"], obs["CenterY_global_px"] = (xy + place).T
        table = ad.AnnData(csr_matrix(counts[-1]), obs=obs, var=pd.DataFrame(index=GENES))
        if keys == "obsm":
            table.obsm["spatial"] = xy
        table.write_h5ad(home / f"fov{number}.h5ad")
    if globals_ == "file":
        pd.DataFrame(
            {"fov": numbers, "x_global_px": places[:, 0], "y_global_px": places[:, 1]}
        ).to_csv(folder / "set_fov_positions_file.csv", index=False)
    return Fields(folder, local, places, counts)
