"""CosMx flat files with images per field of view, in the orientations seen in exports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fakes.pictures import discs, write_labels, write_rgb

WIDTH, HEIGHT = 240, 160
UM_PER_PX = 0.12028
CELLS = 20
GENES = ["KRAS", "EPCAM", "CD3E", "VIM"]
PROBES = ["NegPrb1", "NegPrb2", "SystemControl1"]
RADIUS = 6.0


@dataclass(frozen=True)
class CosMxFolder:
    """``upright`` are positions with the first field's image at the origin, rows down."""

    folder: Path
    cells: pd.DataFrame
    counts: np.ndarray
    upright: np.ndarray
    transcripts: pd.DataFrame


def write_cosmx(
    folder: Path,
    *,
    flip_y: bool = True,
    global_up: bool = True,
    newer: bool = True,
    labels: bool = True,
    images: bool = True,
    fields: int = 3,
) -> CosMxFolder:
    """Write one.

    ``flip_y``: local y runs up the image. ``global_up``: global y runs up as well. Both true
    or both false gives local and global axes of equal sense.
    """
    rng = np.random.default_rng(11)
    folder.mkdir(parents=True, exist_ok=True)
    grid = np.array([[x, y] for y in (20, 55, 90, 125) for x in (25, 70, 115, 160, 205)], float)
    places = np.array([[0, 0], [WIDTH + 10, 0], [0, HEIGHT + 30]], float)[:fields]
    parts, upright = [], []
    for number, place in enumerate(places, start=1):
        image_xy = grid + rng.uniform(-4, 4, grid.shape)
        upright.append(image_xy + place)
        local = image_xy.copy()
        if flip_y:
            local[:, 1] = HEIGHT - local[:, 1]
        whole = image_xy + place + np.array([5000, 0])
        whole[:, 1] = 90000 - whole[:, 1] if global_up else 40000 + whole[:, 1]
        parts.append(_metadata(number, local, whole, newer=newer))
        if images:
            stem = f"F{number:03d}"
            write_rgb(folder / "CellComposite" / f"CellComposite_{stem}.jpg",
                      discs(WIDTH, HEIGHT, image_xy, RADIUS))  # fmt: skip
            if labels:
                write_labels(folder / "CellLabels" / f"CellLabels_{stem}.tif", _labels(image_xy))
    cells = pd.concat(parts, ignore_index=True)
    counts = rng.poisson(1.0, (len(cells), len(GENES) + len(PROBES)))
    found = CosMxFolder(folder, cells, counts, np.vstack(upright), _transcripts(cells, rng))
    _write(found, places, newer=newer, global_up=global_up)
    return found


def _metadata(fov: int, local: np.ndarray, whole: np.ndarray, *, newer: bool) -> pd.DataFrame:
    ids = np.arange(1, CELLS + 1)
    area = 3000 + 10 * ids
    columns = {
        "fov": fov,
        "cell_ID": ids,
        "Area": area,
        "AspectRatio": 1.0,
        "CenterX_local_px": local[:, 0],
        "CenterY_local_px": local[:, 1],
        "CenterX_global_px": whole[:, 0],
        "CenterY_global_px": whole[:, 1],
        "Width": 60,
        "Height": 60,
        "Mean.PanCK": 10,
    }
    if newer:
        columns |= {"Area.um2": area * UM_PER_PX**2, "cell": [f"c_1_{fov}_{i}" for i in ids]}
    return pd.DataFrame(columns)


def _labels(xy: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint16)
    for i, (cx, cy) in enumerate(xy, start=1):
        labels[(x - cx) ** 2 + (y - cy) ** 2 <= RADIUS**2] = i
    return labels


def _transcripts(cells: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    owner = rng.integers(0, len(cells), 200)
    rows = cells.iloc[owner]
    shift = rng.uniform(-3, 3, (200, 2))
    return pd.DataFrame(
        {
            "fov": rows["fov"].to_numpy(),
            "cell_ID": rows["cell_ID"].to_numpy(),
            "x_local_px": rows["CenterX_local_px"].to_numpy() + shift[:, 0],
            "y_local_px": rows["CenterY_local_px"].to_numpy() + shift[:, 1],
            "x_global_px": rows["CenterX_global_px"].to_numpy() + shift[:, 0],
            "y_global_px": rows["CenterY_global_px"].to_numpy() + shift[:, 1],
            "z": rng.integers(0, 8, 200),
            "target": rng.choice(GENES, 200),
            "CellComp": "Nuclear",
        }
    )


def _write(found: CosMxFolder, places: np.ndarray, *, newer: bool, global_up: bool) -> None:
    stem, cells = found.folder / "Run5_S1", found.cells
    ids = cells[["fov", "cell_ID"]]
    counts = pd.DataFrame(found.counts, columns=[*GENES, *PROBES])
    matrix = pd.concat([ids, counts], axis=1)
    background = pd.DataFrame([{"fov": 1, "cell_ID": 0}]).reindex(columns=matrix.columns)
    background = background.fillna(3).astype(int)
    matrix = pd.concat([background, matrix.sample(frac=1, random_state=2)])
    suffix = ".csv.gz" if newer else ".csv"
    matrix.to_csv(f"{stem}_exprMat_file{suffix}", index=False)
    cells.to_csv(f"{stem}_metadata_file{suffix}", index=False)
    found.transcripts.to_csv(f"{stem}_tx_file.csv", index=False)
    origin = places + np.array([5000, 0])
    origin[:, 1] = 90000 - origin[:, 1] - HEIGHT if global_up else 40000 + origin[:, 1]
    fields = pd.DataFrame({"x_global_px": origin[:, 0], "y_global_px": origin[:, 1]})
    fields.insert(0, "FOV" if newer else "fov", np.arange(1, len(places) + 1))
    if newer:
        fields["x_global_mm"] = fields["x_global_px"] * UM_PER_PX / 1000
        fields["y_global_mm"] = fields["y_global_px"] * UM_PER_PX / 1000
    fields.to_csv(f"{stem}_fov_positions_file{suffix}", index=False)
    _write_polygons(Path(f"{stem}-polygons{suffix}"), cells)


def _write_polygons(path: Path, cells: pd.DataFrame) -> None:
    corners = RADIUS * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    rows = cells.loc[cells.index.repeat(len(corners))]
    shift = np.tile(corners, (len(cells), 1))
    pd.DataFrame(
        {
            "fov": rows["fov"].to_numpy(),
            "cellID": rows["cell_ID"].to_numpy(),
            "x_local_px": rows["CenterX_local_px"].to_numpy() + shift[:, 0],
            "y_local_px": rows["CenterY_local_px"].to_numpy() + shift[:, 1],
            "x_global_px": rows["CenterX_global_px"].to_numpy() + shift[:, 0],
            "y_global_px": rows["CenterY_global_px"].to_numpy() + shift[:, 1],
        }
    ).to_csv(path, index=False)
