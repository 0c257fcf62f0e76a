from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from napari_stml.core.results import Labels, Result, Values
from napari_stml.io.section import Section
from napari_stml.viewer.state import state_of
from napari_stml.widgets.live_painting import LivePainting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari.viewer import Viewer

SPOTS = 20


@pytest.fixture
def state(make_napari_viewer: Callable[[], Viewer], tmp_path: Path) -> Iterator[Any]:
    import anndata as ad

    table = ad.AnnData(np.ones((SPOTS, 2), dtype=np.float32), obs=pd.DataFrame(
        {"side": np.arange(SPOTS, dtype=float)}, index=[f"s{i}" for i in range(SPOTS)]
    ))  # fmt: skip
    table.obsm["spatial"] = np.stack([np.arange(SPOTS) * 10.0, np.zeros(SPOTS)], axis=1)
    table.write_h5ad(tmp_path / "spots.h5ad")
    made = state_of(make_napari_viewer())
    made.open(Section.open(tmp_path / "spots.h5ad"))
    yield made
    made.close()


def position(state: Any, codes: list[int]) -> Result:
    labels = Labels("clusters", np.array(codes, dtype=np.int32), ("1", "2"))
    return Result.of(state.current.section.name, labels)


def test_the_part_that_an_answer_shows_is_painted(state: Any) -> None:
    painting = LivePainting(state, SimpleNamespace(id="gsmap-1", parts=[]))  # type: ignore[arg-type]
    labels = Labels("passes", np.zeros(SPOTS, dtype=np.int32), ("no", "yes"))
    z = Values("z", np.arange(SPOTS, dtype=float))
    name = state.current.section.name
    painting.paint(Result.of(name, labels, z, shows="z"))
    assert state.current.shown.name == "z"
    painting.paint(Result.of(name, labels, z))
    assert state.current.shown.name == "passes"


def test_what_is_pinned_stays_beside_what_moves_on(state: Any) -> None:
    painting = LivePainting(state, SimpleNamespace(id="spacon-1", parts=[]))  # type: ignore[arg-type]
    painting.paint(position(state, [0] * SPOTS))
    painting.pin("alpha 0.1")
    view = state.current
    assert view.beside.name == "clusters, alpha 0.1"
    view.swipe(
        view.beside, float(np.median(view.frame.world_yx(view.section.observations.xy)[:, 1]))
    )
    painting.paint(position(state, [1] * SPOTS))
    colours = np.asarray(view.painter().paint.colours)
    first, second = colours[0], colours[-1]
    assert not np.allclose(first, second)  # the new position left of the line, the pinned right
    np.testing.assert_array_equal(view.beside.drawn.codes, np.zeros(SPOTS))
    painting.pin("")
    assert view.beside is None
    assert np.ptp(np.asarray(view.painter().paint.colours), axis=0).max() == 0


def test_the_pin_goes_with_the_panel(state: Any) -> None:
    painting = LivePainting(state, SimpleNamespace(id="spacon-1", parts=[]))  # type: ignore[arg-type]
    painting.pin("nothing is shown yet")
    assert state.current.beside is None
    painting.paint(position(state, [0, 1] * (SPOTS // 2)))
    painting.pin("here")
    painting.clear()
    assert state.current.beside is None
