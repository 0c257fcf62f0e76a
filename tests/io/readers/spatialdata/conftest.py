"""A store as spatialdata writes it: image, labels, circles, polygons, points and tables."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

N = 60
UM = 0.5


def tables_parse(n_vars: int, region: str, ids: Any, names: list[str] | None = None) -> Any:
    import anndata as ad
    import pandas as pd
    from scipy.sparse import csr_matrix
    from spatialdata.models import TableModel

    rng = np.random.default_rng(n_vars)
    table = ad.AnnData(csr_matrix(rng.poisson(1.0, (len(ids), n_vars)).astype(np.float32)))
    table.obs_names = names or [f"AAAC{i}-1" for i in range(len(ids))]
    table.var_names = [f"g{j}" for j in range(n_vars)]
    table.obs["region"] = pd.Categorical([region] * len(ids))
    table.obs["id"] = np.asarray(ids)
    return TableModel.parse(table, region=region, region_key="region", instance_key="id")


def build(path: Path) -> Any:
    import geopandas as gpd
    import pandas as pd
    import spatialdata as sd
    from shapely import Point, box
    from spatialdata.models import (
        Image2DModel,
        Labels2DModel,
        PointsModel,
        ShapesModel,
    )
    from spatialdata.transformations import Identity, Scale, Sequence, Translation

    rng = np.random.default_rng(0)
    pixels = rng.integers(120, 255, (3, 256, 320), dtype=np.uint8)
    # full-resolution pixels are the coordinate system; the stored image is half as fine
    half = {"global": Scale([2.0, 2.0], axes=("x", "y")), "um": Scale([2 * UM] * 2, ("x", "y"))}
    image = Image2DModel.parse(
        pixels, dims="cyx", c_coords=["r", "g", "b"], scale_factors=[2], transformations=half
    )
    small = Image2DModel.parse(
        pixels[:, ::4, ::4], dims="cyx", c_coords=["r", "g", "b"],
        transformations={"global": Scale([8.0, 8.0], axes=("x", "y"))},
    )  # fmt: skip
    mask = np.zeros((256, 320), np.int32)
    for i in range(12):
        mask[10 + 15 * i : 16 + 15 * i, 20 * i : 20 * i + 6] = i + 1
    labels = Labels2DModel.parse(mask, dims="yx", transformations=half)
    xy = rng.uniform(20, 480, (N, 2))
    ids = np.arange(100, 100 + N)
    circles = gpd.GeoDataFrame({"radius": np.full(N, 8.0)}, geometry=[Point(*p) for p in xy])
    circles.index = ids
    spots = ShapesModel.parse(
        circles,
        transformations={"global": Sequence([Scale([1.0, 1.0], ("x", "y")), Identity()])},
    )
    cells = gpd.GeoDataFrame(geometry=[Point(30.0 * i, 40.0).buffer(9) for i in range(1, 9)])
    cells.index = [f"c{i}" for i in range(8)]
    shift = {"global": Translation([5.0, 7.0], ("x", "y"))}
    polygons = ShapesModel.parse(cells, transformations=shift)
    regions = gpd.GeoDataFrame({"name": ["tumour"]}, geometry=[box(10, 10, 90, 60)])
    transcripts = pd.DataFrame(
        {"x": rng.uniform(0, 90, 50), "y": rng.uniform(0, 90, 50), "gene": ["A", "B"] * 25}
    )
    transcripts["gene"] = transcripts["gene"].astype("category")
    shuffled = rng.permutation(N)
    rna = tables_parse(7, "spots", ids[shuffled])
    rna.obs["layer"] = pd.Categorical(["L1", "L2"] * (N // 2))
    protein = tables_parse(3, "spots", ids[: N - 10], [f"other{i}" for i in range(N - 10)])
    protein.var_names = ["CD3", "CD19", "CD45"]
    run = tables_parse(0, "spots", ids)
    run.obs["clusters"] = pd.Categorical(["a", "b"] * (N // 2))
    sdata = sd.SpatialData(
        images={"he": image, "a_small": small},
        labels={"nuclei": labels},
        shapes={"spots": spots, "cells": polygons, "annotations": ShapesModel.parse(regions)},
        points={"tx": PointsModel.parse(transcripts, coordinates={"x": "x", "y": "y"})},
        tables={
            "table": rna,
            "protein": protein,
            "stml.leiden-1": run,
            "cell_table": tables_parse(4, "cells", cells.index.to_numpy()),
            "nuclei_table": tables_parse(2, "nuclei", np.arange(1, 13)),
        },
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sdata.write(path)
    return sdata


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A store and the object that it was written from; not to be changed."""
    path = tmp_path_factory.mktemp("stores") / "sample.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return path, build(path)


@pytest.fixture(scope="session")
def store(built: tuple[Path, Any]) -> Path:
    return built[0]


@pytest.fixture
def copy(store: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(store, tmp_path / "copy.zarr"))
