from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import zarr

from napari_stml.io.store import Store

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # libraries that announce deprecations when imported
    import ome_zarr.writer  # noqa: F401
    import spatialdata  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
            "table": TableModel.parse(table, region="spots", region_key="region", instance_key="id")
        },
        attrs={"theirs": {"a": [1, 2]}},
    ).write(path)


@pytest.fixture(scope="session")
def _foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("foreign") / "section.zarr"
    with ad.settings.override(auto_shard_zarr_v3=False):
        make_store(path)
    return path


@pytest.fixture
def foreign(_foreign: Path, tmp_path: Path) -> Path:
    """A fresh copy of the foreign store."""
    return Path(shutil.copytree(_foreign, tmp_path / "section.zarr"))


def _clusters(seed: int = 0) -> ad.AnnData:
    """A Run's table: no genes, one text column with gaps, one embedding."""
    rng = np.random.default_rng(seed)
    names = np.array(["tumour", "stroma", None], dtype=object)[rng.integers(0, 3, N)]
    return ad.AnnData(
        obs=pd.DataFrame({"clusters": names, "score": rng.random(N)}, index=BARCODES),
        obsm={"feature_spa": rng.random((N, 4)).astype("f4")},
    )


def _regions(seed: int = 0, count: int = 4) -> gpd.GeoDataFrame:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 100, (count, 2)).tolist()
    return gpd.GeoDataFrame(
        {
            "geometry": [shapely.box(x, y, x + 9, y + 9) for x, y in corners],
            "class": [f"class {seed}"] * count,
        }
    )


def _digests(path: Path) -> dict[str, str]:
    """Content of every file but the root's zarr.json and our hidden folder."""
    found = {}
    for file in path.rglob("*"):
        name = file.relative_to(path).as_posix()
        if file.is_file() and name != "zarr.json" and not name.startswith(".stml"):
            found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def _read_by_all(path: Path) -> Any:
    """Read with spatialdata, anndata and a reader that trusts the consolidated block."""
    import spatialdata as sd

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The table is annotating")
        data = sd.read_zarr(path)
    for name, table in data.tables.items():
        assert ad.read_zarr(path / "tables" / name).obs.equals(table.obs)
    if "consolidated_metadata" in json.loads((path / "zarr.json").read_text()):
        for name, node in zarr.open_consolidated(str(path), mode="r").members(max_depth=None):
            real = zarr.open(str(path / name), mode="r")
            if isinstance(node, zarr.Array):
                assert (node.shape, node.chunks) == (real.shape, real.chunks), name
                node[...]
    return data


def _publish(store: Store, analysis: str = "leiden", **record: Any) -> str:
    run_id = store.new_run_id(analysis)
    staging = store.stage(run_id)
    staging.add_table("", _clusters(), region="spots")
    staging.finish()
    store.publish(staging, json.dumps(record))
    return run_id


@pytest.fixture
def clusters() -> Callable[..., ad.AnnData]:
    return _clusters


@pytest.fixture
def regions() -> Callable[..., gpd.GeoDataFrame]:
    return _regions


@pytest.fixture
def digests() -> Callable[[Path], dict[str, str]]:
    return _digests


@pytest.fixture
def read_by_all() -> Callable[[Path], Any]:
    return _read_by_all


@pytest.fixture
def publish() -> Callable[..., str]:
    """Publish a small Run and return its id; keywords go into the record."""
    return _publish


@pytest.fixture
def store(foreign: Path) -> Iterator[Store]:
    with Store.open(foreign) as opened:
        yield opened
