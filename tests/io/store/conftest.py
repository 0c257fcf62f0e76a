from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import anndata as ad
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import zarr

N = 30
BARCODES = [f"AAC{i:03}-1" for i in range(N)]


def make_store(path: Path) -> None:
    """A store as another program would have written it: all five kinds, one attribute."""
    import spatialdata as sd
    from spatialdata.models import (
        Image2DModel,
        Labels2DModel,
        PointsModel,
        ShapesModel,
        TableModel,
    )

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (3, 150, 170), dtype=np.uint8)
    image = Image2DModel.parse(pixels, dims=("c", "y", "x"), c_coords=["r", "g", "b"])
    mask = Labels2DModel.parse(rng.integers(0, 5, (60, 70), dtype=np.uint32), dims=("y", "x"))
    circles = gpd.GeoDataFrame(
        {"geometry": [shapely.Point(i, 2 * i) for i in range(N)], "radius": np.ones(N)},
        index=BARCODES,
    )
    table = ad.AnnData(
        rng.random((N, 5)).astype("f4"),
        obs=pd.DataFrame({"region": pd.Categorical(["spots"] * N), "id": BARCODES}, index=BARCODES),
    )
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0], "gene": pd.Categorical(["a", "b"])})
    sd.SpatialData(
        images={"he": image},
        labels={"nuclei": mask},
        shapes={"spots": ShapesModel.parse(circles)},
        points={"tx": PointsModel.parse(frame)},
        tables={
            "table": TableModel.parse(
                table, region="spots", region_key="region", instance_key="id"
            )
        },
        attrs={"theirs": {"a": [1, 2]}},
    ).write(path)


@pytest.fixture(scope="session")
def _foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("foreign") / "section.zarr"
    make_store(path)
    return path


@pytest.fixture
def foreign(_foreign: Path, tmp_path: Path) -> Path:
    """A fresh copy of the foreign store."""
    return Path(shutil.copytree(_foreign, tmp_path / "section.zarr"))


def clusters(seed: int = 0) -> ad.AnnData:
    """A Run's table: no genes, one text column with a gap, one embedding."""
    rng = np.random.default_rng(seed)
    names = np.array(["tumour", "stroma", None], dtype=object)[rng.integers(0, 3, N)]
    return ad.AnnData(
        obs=pd.DataFrame({"clusters": names, "score": rng.random(N)}, index=BARCODES),
        obsm={"feature_spa": rng.random((N, 4)).astype("f4")},
    )


def regions(seed: int = 0, count: int = 4) -> gpd.GeoDataFrame:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 100, (count, 2)).tolist()
    return gpd.GeoDataFrame(
        {
            "geometry": [shapely.box(x, y, x + 9, y + 9) for x, y in corners],
            "class": [f"class {seed}"] * count,
        }
    )


def digests(path: Path, *, without: tuple[str, ...] = (".stml",)) -> dict[str, str]:
    """Content of every file but the root's zarr.json."""
    found = {}
    for parent, folders, names in os.walk(path):
        folders[:] = [f for f in folders if f not in without]
        for name in names:
            file = Path(parent, name)
            relative = file.relative_to(path).as_posix()
            if relative != "zarr.json":
                found[relative] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def read_by_all(path: Path) -> Any:
    """Read with spatialdata, anndata and a reader that trusts the consolidated block.

    Returns what spatialdata read.
    """
    import spatialdata as sd

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The table is annotating")
        data = sd.read_zarr(path)
    for name, table in data.tables.items():
        alone = ad.read_zarr(path / "tables" / name)
        assert alone.shape == table.shape
        assert alone.obs.equals(table.obs)
    for image in data.images.values():
        np.asarray(image if hasattr(image, "shape") else image["scale0"]["image"])
    for points in data.points.values():
        points.compute()
    root = json.loads((path / "zarr.json").read_text())
    if "consolidated_metadata" in root:
        walk(zarr.open_consolidated(path, mode="r"), zarr.open_group(path, mode="r"), path)
    return data


def walk(trusting: zarr.Group, _: zarr.Group, path: Path) -> None:
    """Every node of the block exists with the shape and chunks it states, and can be read."""
    for name, node in trusting.members(max_depth=None):
        real = zarr.open(path / name, mode="r")
        if isinstance(node, zarr.Array):
            assert node.shape == real.shape, name
            assert node.chunks == real.chunks, name
            assert np.array_equal(np.asarray(node[...]), np.asarray(real[...]), equal_nan=False) or (
                node.dtype.kind == "f"
                and np.array_equal(node[...], real[...], equal_nan=True)
            ), name
