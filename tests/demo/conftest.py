from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_stml.demo import DemoPaths, make_demo
from napari_stml.demo.section import sections

SEED = 0


@pytest.fixture(scope="session")
def grown():
    """Programs and the three sections, without pictures."""
    return sections(SEED)


@pytest.fixture(scope="session")
def paths(tmp_path_factory: pytest.TempPathFactory) -> DemoPaths:
    return make_demo(tmp_path_factory.mktemp("demo"), SEED)


@pytest.fixture(scope="session")
def attrs(paths: DemoPaths) -> dict[str, object]:
    root = json.loads(Path(paths.store / "zarr.json").read_text())
    return root["attributes"]["stml_demo"]


@pytest.fixture(scope="session")
def sdata(paths: DemoPaths):
    import spatialdata

    return spatialdata.read_zarr(paths.store)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
