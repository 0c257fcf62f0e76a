"""Xenium output folders, old (whole-number ids, one image) and new (text ids, four stains)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import zarr
from scipy.sparse import csr_matrix

from fakes.pictures import discs, write_channels, write_rgb
from fakes.tenx import Matrix, write_h5, write_mtx

if TYPE_CHECKING:
    from pathlib import Path

PIXEL_SIZE = 0.2125
WIDTH, HEIGHT = 640, 512
ALIGNMENT = np.array([[0.0, 2.0, 15.0], [-2.0, 0.0, 500.0], [0.0, 0.0, 1.0]])
"""H&E to morphology pixels: half the resolution, turned by 90 degrees."""


@dataclass(frozen=True)
class XeniumFolder:
    """Truth: centroids in um by cell id; ``half`` is the half side of the square cells."""

    folder: Path
    cells: pd.DataFrame
    matrix: Matrix
    transcripts: pd.DataFrame
    half: float


def write_xenium(
    folder: Path,
    *,
    ids: str = "text",
    tables: str = "parquet",
    matrix: str = "h5",
    morphology: str = "four",
    he: bool = False,
) -> XeniumFolder:
    """Write one; ids: "text", "numbers" or "bytes"; matrix: "h5", "mtx", "zarr" or "none"."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "major_version": 5,
        "run_name": "run",
        "region_name": "kidney",
        "pixel_size": PIXEL_SIZE,
        "z_step_size": 3.0,
        "analysis_sw_version": "xenium-2.0.0.10",
    }
    (folder / "experiment.xenium").write_text(json.dumps(manifest))
    grid = np.array([[x, y] for y in range(12, 100, 11) for x in range(12, 125, 12)], float)
    centres = grid + rng.uniform(-1, 1, grid.shape)
    numbers = np.arange(1, len(centres) + 1)
    pairs = np.column_stack([numbers * 7919, np.ones_like(numbers)]).astype(np.uint32)
    names = numbers.astype(str) if ids == "numbers" else np.array(cell_names(pairs))
    cells = pd.DataFrame(centres, columns=["x_centroid", "y_centroid"])
    stored = {"numbers": numbers, "text": names, "bytes": [n.encode() for n in names]}[ids]
    cells.insert(0, "cell_id", stored)
    cells["transcript_counts"] = rng.integers(5, 50, len(cells))
    cells["cell_area"] = 36.0
    cells["segmentation_method"] = "Segmented by nucleus expansion of 5.0µm"
    _write_table(cells, folder / "cells", tables)
    half = 3.0
    for what, side in (("cell", half), ("nucleus", half / 2)):
        _write_table(_vertices(cells, side), folder / f"{what}_boundaries", tables)
    transcripts = _transcripts(cells, rng, as_bytes=ids == "bytes")
    _write_table(transcripts, folder / "transcripts", tables)
    _write_images(folder, centres / PIXEL_SIZE, morphology, he=he)
    found = _matrix(names.tolist(), rng)
    _write_matrix(folder, found, matrix, pairs if ids != "numbers" else numbers)
    return XeniumFolder(folder, cells.assign(name=names), found, transcripts, half)


def cell_names(pairs: np.ndarray) -> list[str]:
    letters = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
    return [f"{int(prefix):08x}".translate(letters) + f"-{suffix}" for prefix, suffix in pairs]


def _write_table(frame: pd.DataFrame, stem: Path, kind: str) -> None:
    if kind == "parquet":
        frame.to_parquet(stem.with_name(stem.name + ".parquet"), index=False)
    else:
        frame.to_csv(stem.with_name(stem.name + ".csv.gz"), index=False)


def _vertices(cells: pd.DataFrame, half: float) -> pd.DataFrame:
    corners = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])
    centres = cells[["x_centroid", "y_centroid"]].to_numpy()
    xy = (centres[:, None] + corners).reshape(-1, 2)
    ids = np.repeat(cells["cell_id"].to_numpy(), len(corners))
    label = np.repeat(np.arange(1, len(cells) + 1), len(corners))
    return pd.DataFrame(
        {"cell_id": ids, "vertex_x": xy[:, 0], "vertex_y": xy[:, 1], "label_id": label}
    )


def _transcripts(cells: pd.DataFrame, rng: np.random.Generator, *, as_bytes: bool) -> pd.DataFrame:
    n = 500
    owner = rng.integers(0, len(cells), n)
    genes = np.array([f"GENE{i}" for i in range(6)] + ["NegControlProbe_00001"])
    names = rng.choice(genes, n)
    return pd.DataFrame(
        {
            "transcript_id": np.arange(n).astype(np.uint64) + 281474976710656,
            "cell_id": cells["cell_id"].to_numpy()[owner],
            "overlaps_nucleus": rng.integers(0, 2, n).astype(np.uint8),
            "feature_name": [name.encode() for name in names] if as_bytes else names,
            "x_location": cells["x_centroid"].to_numpy()[owner] + rng.uniform(-3, 3, n),
            "y_location": cells["y_centroid"].to_numpy()[owner] + rng.uniform(-3, 3, n),
            "z_location": rng.uniform(10, 20, n),
            "qv": rng.uniform(20, 40, n),
        }
    )


def _write_images(folder: Path, xy_px: np.ndarray, morphology: str, *, he: bool) -> None:
    stain = 255 - discs(WIDTH, HEIGHT, xy_px, 8)
    if morphology == "four":
        for i in range(4):
            name = f"morphology_focus_{i:04d}.ome.tif"
            write_channels(folder / "morphology_focus" / name, stain[None] + i)
    elif morphology == "named":
        for name in ("ch0000_dapi", "ch0001_atp1a1_cd45_e-cadherin"):
            write_channels(folder / "morphology_focus" / f"{name}.ome.tif", stain[None])
    elif morphology == "mip":
        write_channels(folder / "morphology_mip.ome.tif", stain[None])
    if he:
        inverse = np.linalg.inv(ALIGNMENT)
        at = xy_px @ inverse[:2, :2].T + inverse[:2, 2]
        write_rgb(folder / "kidney_he_image.ome.tif", discs(260, 330, at, 4))
        np.savetxt(folder / "kidney_he_imagealignment.csv", ALIGNMENT, delimiter=",")


def _matrix(names: list[str], rng: np.random.Generator) -> Matrix:
    features = [(f"ENSG{i:011d}", f"GENE{i}", "Gene Expression") for i in range(20)]
    features += [(f"NegControlProbe_{i:05d}",) * 2 + ("Negative Control Probe",) for i in range(3)]
    counts = rng.poisson(0.5, (len(names), len(features))).astype(np.int32)
    return Matrix(names, features, counts)


def _write_matrix(folder: Path, matrix: Matrix, kind: str, ids: np.ndarray) -> None:
    if kind == "h5":
        write_h5(folder / "cell_feature_matrix.h5", matrix)
    elif kind == "mtx":
        write_mtx(folder / "cell_feature_matrix", matrix)
    elif kind == "zarr":
        _write_zarr(folder / "cell_feature_matrix.zarr.zip", matrix, ids)


def _write_zarr(path: Path, matrix: Matrix, ids: np.ndarray) -> None:
    """Features x cells; the feature types are written in lower case here."""
    by_feature = csr_matrix(matrix.counts.T)
    kinds = {"Gene Expression": "gene", "Negative Control Probe": "negative_control_probe"}
    attributes = {
        "number_features": len(matrix.features),
        "number_cells": len(matrix.barcodes),
        "feature_ids": [feature[0] for feature in matrix.features],
        "feature_keys": [feature[1] for feature in matrix.features],
        "feature_types": [kinds[feature[2]] for feature in matrix.features],
    }
    store = zarr.storage.ZipStore(path, mode="w")
    root = zarr.open_group(store, mode="w", zarr_format=2)
    group = root.create_group("cell_features", attributes=attributes)
    for name in ("data", "indices", "indptr"):
        values = getattr(by_feature, name).astype(np.uint32)
        group.create_array(name, data=values)
    group.create_array("cell_id", data=ids.astype(np.uint32))
    store.close()
