from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.contents import Contents, Lattice, Observations, PlacedSlide
from napari_stml.io.section import Section
from napari_stml.io.slides.array import ArraySlide
from napari_stml.io.tables.memory import MemoryTable
from napari_stml.viewer.state import ViewerState, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QApplication

SIDE = 20
PITCH = 20.0


def make_section(
    path: Path | str = "made", *, um_per_px: float | None = 0.5, name: str = "made",
    slide: Any = None, hexagonal: bool = False, observed: bool = True,
) -> Section:  # fmt: skip
    """400 spots on a grid over a small slide; A rises along x, B along y, one value missing."""
    rows, cols = (a.ravel() for a in np.mgrid[:SIDE, :SIDE])
    xy = np.column_stack([cols, rows]) * PITCH + PITCH / 2
    names = np.array([f"s{i}" for i in range(len(xy))], dtype=object)
    genes = np.column_stack([cols, rows]).astype(np.float32)
    half = pd.Categorical.from_codes((cols >= SIDE // 2).astype(int), ["stroma", "tumour"])
    half = half.set_categories(["stroma", "tumour", "nobody"])
    obs = pd.DataFrame({"domain": half, "score": np.linspace(0, 1, len(xy))}, index=names)
    obs.loc["s0", "score"] = np.nan
    table = MemoryTable(
        ad.AnnData(genes, obs=obs, var=pd.DataFrame(index=["A", "B"])), name="RNA", source="made"
    )
    pixels = np.full((int(SIDE * PITCH),) * 2 + (3,), 220, np.uint8)
    spots = Observations("spots", names, xy, 7.0, Lattice(rows, cols, hexagonal))
    contents = Contents(
        name, "made",
        images={"he": PlacedSlide(slide or ArraySlide(pixels))},
        observations=spots if observed else None,
        tables={"RNA": table} if observed else {},
        um_per_px=UmPerPx.square(um_per_px, ScaleSource.USER) if um_per_px else None,
    )  # fmt: skip
    return Section(path, contents, {})


@pytest.fixture
def make() -> Callable[..., Section]:
    return make_section


@pytest.fixture
def made(tmp_path: Path) -> Section:
    source = tmp_path / "made.h5ad"
    source.write_bytes(b"a file to be the section's place")
    return make_section(source)


@pytest.fixture
def display(qapp: QApplication) -> None:
    """A display with OpenGL, which napari's window needs even where nothing is looked at."""
    if qapp.platformName() == "offscreen":
        pytest.skip("there is no display: napari's canvas cannot be made")


@pytest.fixture
def state(display: None, make_napari_viewer: Callable[..., Any]) -> Iterator[ViewerState]:
    """A viewer with a window that is not shown."""
    made = state_of(make_napari_viewer())
    yield made
    made.close()


@pytest.fixture
def settle(qtbot: QtBot, state: ViewerState) -> Callable[[], None]:
    """Wait until everything asked for has been read and painted."""

    def wait() -> None:
        qtbot.waitUntil(lambda: not state.busy, timeout=10_000)

    return wait
