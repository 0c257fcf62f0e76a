"""A section of 400 spots on a grid over a small slide, and a way to read figures back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from napari_stml.core.geometry import ScaleSource, UmPerPx
from napari_stml.io.contents import Contents, Observations, PlacedSlide
from napari_stml.io.section import Section
from napari_stml.io.slides.array import ArraySlide
from napari_stml.io.tables.memory import MemoryTable

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE, PITCH, RADIUS = 20, 20.0, 7.0


def make_section(
    *, um_per_px: Any = 0.5, name: str = "made", classes: tuple[str, ...] = ("stroma", "tumour"),
    column: str = "domain", codes: Any = None, pixels: Any = None, **observed: Any,
) -> Section:  # fmt: skip
    """Gene A rises along x; the first spot has neither class nor score."""
    rows, cols = (a.ravel() for a in np.mgrid[:SIDE, :SIDE])
    xy = np.column_stack([cols, rows]) * PITCH + PITCH / 2
    names = np.array([f"s{i}" for i in range(len(xy))], dtype=object)
    if codes is None:
        codes = (cols * len(classes)) // SIDE
        codes[0] = -1
    obs = pd.DataFrame(
        {column: pd.Categorical.from_codes(codes, list(classes)),
         "score": np.linspace(0, 1, len(xy))}, index=names,
    )  # fmt: skip
    obs.loc["s0", "score"] = np.nan
    genes = np.column_stack([cols, rows]).astype(np.float32)
    table = ad.AnnData(genes, obs=obs, var=pd.DataFrame(index=["A", "B"]))
    if pixels is None:
        pixels = np.full((int(SIDE * PITCH),) * 2 + (3,), 235, np.uint8)
    scale = (um_per_px, um_per_px) if isinstance(um_per_px, float) else um_per_px
    contents = Contents(
        name, "made",
        images={"he": PlacedSlide(ArraySlide(pixels, name="he"))},
        observations=Observations(
            **{"kind": "spots", "names": names, "xy": xy, "radius_px": RADIUS, **observed}
        ),
        tables={"RNA": MemoryTable(table, name="RNA", source="made")},
        um_per_px=UmPerPx(*scale, ScaleSource.USER) if scale else None,
    )  # fmt: skip
    return Section("made", contents, {})


@pytest.fixture
def make() -> Callable[..., Section]:
    return make_section
