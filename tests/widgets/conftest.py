"""A small section, and the dock in a real viewer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from napari_stml.runs.settings import WorkerSettings
from napari_stml.widgets.dock import StmlDock
from napari_stml.widgets.run_control import RunControl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QApplication

TOYS = str(Path(__file__).parent)
if TOYS not in sys.path:
    sys.path.append(TOYS)  # the toy under the name by which the worker knows it
LONG = 60_000
N = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Sixty spots of two kinds, as .h5ad."""
    rng = np.random.default_rng(0)
    kind = np.arange(N) % 2
    counts = rng.poisson(np.where(kind[:, None], [9, 1] * 10, [1, 9] * 10)).astype(np.float32)
    names = pd.Index([f"s{i}" for i in range(N)], dtype=object)
    genes = pd.Index([f"G{i}" for i in range(20)], dtype=object)
    obs = pd.DataFrame({"kind": pd.Categorical.from_codes(kind, ["a", "b"])}, index=names)
    table = ad.AnnData(csr_matrix(counts), obs=obs, var=pd.DataFrame(index=genes))
    table.obsm["spatial"] = np.column_stack([np.arange(N) % 10, np.arange(N) // 10]) * 20.0
    target = tmp_path / "séction.h5ad"
    table.write_h5ad(target)
    return target


@pytest.fixture
def dock(
    qapp: QApplication, make_napari_viewer: Callable[..., Any], path: Path
) -> Iterator[StmlDock]:
    if qapp.platformName() == "offscreen":
        pytest.skip("there is no display: napari's canvas cannot be made")
    viewer = make_napari_viewer()
    control = RunControl(WorkerSettings(path=(TOYS,), threads=1))
    made = StmlDock(viewer, control)
    viewer.window.add_dock_widget(made, name="STML")
    yield made
    made.shut()
    made.state.close()


@pytest.fixture
def opened(dock: StmlDock, qtbot: QtBot, path: Path) -> StmlDock:
    """The dock with the section open."""
    dock.open(path)
    qtbot.waitUntil(lambda: not dock.busy, timeout=LONG)
    return dock
