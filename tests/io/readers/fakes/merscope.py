"""MERSCOPE region folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from fakes.pictures import discs, write_channels

if TYPE_CHECKING:
    from pathlib import Path

TO_PX = np.array([[9.25926, 0.0, 120.5], [0.0, 9.25926, -80.25], [0.0, 0.0, 1.0]])
WIDTH, HEIGHT = 700, 520
GENES = ["Gad1", "Slc17a7", "Mbp"]
BLANKS = ["Blank-1", "Blank-20"]
STAINS = ("PolyT", "DAPI")


@dataclass(frozen=True)
class MerscopeFolder:
    """``cells`` is indexed by EntityID as text; ``half`` is the half side of outlines in um."""

    folder: Path
    cells: pd.DataFrame
    counts: pd.DataFrame
    transcripts: pd.DataFrame
    half: float


def write_merscope(
    folder: Path, *, planes: tuple[int, ...] = (0, 1, 2), unnamed: bool = False
) -> MerscopeFolder:
    """Write one; ``unnamed``: the ids stand in a column without name, as old exports have it."""
    rng = np.random.default_rng(13)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    grid = np.array([[x, y] for y in range(14, 60, 6) for x in range(-8, 58, 6)], float)
    centres = grid + rng.uniform(-1, 1, grid.shape)
    ids = [str(1_234_567_890_123_456_700 + i) for i in range(len(centres))]
    half = 1.5
    cells = pd.DataFrame(
        {
            "fov": np.arange(len(ids)) // 10,
            "volume": 300.5,
            "center_x": centres[:, 0],
            "center_y": centres[:, 1],
            "min_x": centres[:, 0] - half,
            "min_y": centres[:, 1] - half,
            "max_x": centres[:, 0] + half,
            "max_y": centres[:, 1] + half,
        },
        index=pd.Index(ids, name=None if unnamed else "EntityID"),
    )
    cells.to_csv(folder / "cell_metadata.csv")
    counts = pd.DataFrame(
        rng.poisson(1.0, (len(ids), len(GENES) + len(BLANKS))),
        index=pd.Index(ids, name=None if unnamed else "cell"),
        columns=[*GENES, *BLANKS],
    )
    counts.sample(frac=1, random_state=4).to_csv(folder / "cell_by_gene.csv")
    np.savetxt(folder / "images" / "micron_to_mosaic_pixel_transform.csv", TO_PX, delimiter=" ")
    at = centres @ TO_PX[:2, :2].T + TO_PX[:2, 2]
    picture = 255 - discs(WIDTH, HEIGHT, at, 8)
    for z in planes:
        for stain in STAINS:
            write_channels(folder / "images" / f"mosaic_{stain}_z{z}.tif", picture[None] + z)
    _write_boundaries(folder / "cell_boundaries.parquet", ids, centres, half)
    transcripts = _transcripts(centres, rng)
    transcripts.to_csv(folder / "detected_transcripts.csv")
    return MerscopeFolder(folder, cells, counts, transcripts, half)


def _write_boundaries(path: Path, ids: list[str], centres: np.ndarray, half: float) -> None:
    """Outlines grow with the plane, so that a test sees which plane was read."""
    frames = []
    for z in range(3):
        side = half * (1 + z / 10)
        boxes = shapely.box(*(centres - side).T, *(centres + side).T)
        frames.append(
            gpd.GeoDataFrame(
                {
                    "ID": range(len(ids)),
                    "EntityID": np.array(ids, dtype=np.int64),
                    "ZIndex": z,
                    "ParentType": None,
                    "Type": "cell",
                    "ZLevel": 1.5 * (z + 1),
                    "Name": None,
                    "Geometry": shapely.multipolygons(boxes[:, None]),
                },
                geometry="Geometry",
            )
        )
    pd.concat(frames).sample(frac=1, random_state=3).to_parquet(path)


def _transcripts(centres: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    owner = rng.integers(0, len(centres), 300)
    at = centres[owner] + rng.uniform(-0.4, 0.4, (300, 2))
    return pd.DataFrame(
        {
            "barcode_id": rng.integers(0, 5, 300),
            "global_x": at[:, 0],
            "global_y": at[:, 1],
            "global_z": rng.integers(0, 3, 300).astype(float),
            "x": rng.uniform(0, 2048, 300),
            "y": rng.uniform(0, 2048, 300),
            "fov": 0,
            "gene": rng.choice(GENES, 300),
            "transcript_id": "ENSMUST00000026839",
        }
    )
