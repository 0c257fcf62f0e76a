from __future__ import annotations

import shutil
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Affine
from napari_stml.io.alignment import aligned, with_kept_alignment
from napari_stml.viewer.alignment import Alignment
from napari_stml.viewer.prepare import prepare
from napari_stml.viewer.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_stml.io.section import Section
    from napari_stml.viewer.state import ViewerState


def positions(section: Section) -> np.ndarray:
    assert section.observations is not None
    return section.observations.xy


def written(section: Section) -> None:
    section.kept.store.later(lambda: None).result()
    section.forget_runs()


def test_steps_add_up_are_shown_kept_and_undone(
    state: ViewerState, made: Section, settle: Callable[[], None]
) -> None:
    state.open(made)
    state.colour_by("domain")
    start = positions(made)
    alignment = Alignment(state)
    alignment.nudge(10, 0)
    alignment.rotate(90)
    alignment.flip("horizontal")
    settle()
    assert alignment.undo_title == "flip horizontal"
    assert state.current is not None
    now = positions(state.current.section)
    np.testing.assert_allclose(now, alignment.total(start))
    np.testing.assert_allclose(now.mean(axis=0), start.mean(axis=0) + np.array([10, 0]))
    layer = state.current.spots()
    np.testing.assert_allclose(layer.data[:, ::-1], now, rtol=1e-5)
    assert state.current.shown is not None
    assert state.current.shown.name == "domain"
    assert len(state.viewer.layers) == 2

    written(made)
    again = with_kept_alignment(made)
    np.testing.assert_allclose(positions(again), now)
    assert with_kept_alignment(again) is again
    np.testing.assert_allclose(positions(prepare(made)), now)
    for _ in range(4):
        alignment.undo()
    settle()
    np.testing.assert_allclose(positions(state.current.section), start)
    written(made)
    assert with_kept_alignment(made) is made


def test_aligning_again_later_goes_on_from_what_was_kept(
    state: ViewerState, made: Section, settle: Callable[[], None]
) -> None:
    state.open(made)
    Alignment(state).nudge(10, 0)
    settle()
    written(made)
    Alignment(state).nudge(0, 5)
    settle()
    written(made)
    moved = positions(with_kept_alignment(made)) - positions(made)
    np.testing.assert_allclose(moved, np.broadcast_to([10, 5], moved.shape))


def test_landmarks_bring_spots_onto_the_image(
    state: ViewerState, made: Section, settle: Callable[[], None], qtbot: QtBot
) -> None:
    state.open(made)
    alignment = Alignment(state)
    on_spots, on_image = alignment.begin_landmarks()
    truth = Affine.rotation(12) @ Affine.scaling(1.1)
    xy = np.array([[10.0, 10], [300, 50], [100, 350]])
    on_spots.data, on_image.data = xy[:, ::-1], truth(xy)[:, ::-1]
    found = alignment.apply_landmarks()
    qtbot.waitUntil(lambda: state.current is not None and state.current.section is not made)
    settle()
    assert found.mean_off < 1e-6
    assert state.current is not None
    np.testing.assert_allclose(positions(state.current.section), truth(positions(made)))
    assert [layer.name for layer in state.viewer.layers] == ["made / he", "made / spots"]
    with pytest.raises(StmlError, match="No landmarks"):
        alignment.apply_landmarks()


def test_radius_and_outlines_move_along(made: Section) -> None:
    from dataclasses import replace

    import geopandas as gpd
    import shapely

    observed = made.observations
    assert observed is not None
    frame = gpd.GeoDataFrame({"geometry": shapely.points(observed.xy)}, index=observed.names)
    contents = replace(made.contents, observations=replace(observed, outlines=lambda: frame))
    made.contents = contents
    by = Affine.translation(3, 4) @ Affine.scaling(2)
    moved = aligned(made, by).observations
    assert moved is not None
    assert moved.radius_px == pytest.approx(14.0)
    assert moved.outlines is not None
    outlines = moved.outlines()
    xy = np.column_stack([outlines.geometry.x, outlines.geometry.y])
    np.testing.assert_allclose(xy, by(observed.xy))


@pytest.fixture(scope="module")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import anndata as ad
    import pandas as pd
    import spatialdata as sd
    from spatialdata.models import Image2DModel, ShapesModel, TableModel
    from spatialdata.transformations import Identity, Scale

    xy = np.array([[10.0, 10], [30, 10], [10, 30], [50, 40]])
    circles = ShapesModel.parse(
        xy, geometry=0, radius=4.0, transformations={"global": Scale([2.0, 2.0], axes=("x", "y"))}
    )
    image = Image2DModel.parse(
        np.zeros((3, 128, 128), np.uint8),
        dims=("c", "y", "x"),
        transformations={"global": Identity()},
    )
    obs = pd.DataFrame({"region": pd.Categorical(["spots"] * 4), "id": circles.index.to_numpy()})
    obs.index = obs.index.astype(str)
    table = TableModel.parse(
        ad.AnnData(np.ones((4, 2), np.float32), obs=obs),
        region="spots",
        region_key="region",
        instance_key="id",
    )
    path = tmp_path_factory.mktemp("store") / "section.zarr"
    whole = sd.SpatialData(images={"he": image}, shapes={"spots": circles}, tables={"table": table})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata announces another default for sharding
        whole.write(path)
    return path


def test_in_a_store_the_elements_transformation_changes(
    state: ViewerState, demo_store: Path, tmp_path: Path, settle: Callable[[], None]
) -> None:
    import spatialdata as sd
    from spatialdata.transformations import get_transformation

    from napari_stml.io.section import Section

    path = tmp_path / "section.zarr"
    shutil.copytree(demo_store, path)
    section = Section.open(path)
    start = positions(section)
    state.open(prepare(section))
    alignment = Alignment(state)
    alignment.rotate(30)
    alignment.nudge(5, -2)
    settle()
    written(section)
    reopened = prepare(Section.open(path))
    np.testing.assert_allclose(positions(reopened), alignment.total(start), atol=1e-6)
    shapes = sd.read_zarr(path)["spots"]
    matrix = get_transformation(shapes, "global").to_affine_matrix(("x", "y"), ("x", "y"))
    raw = np.column_stack([shapes.geometry.x, shapes.geometry.y])
    np.testing.assert_allclose(Affine.of(matrix)(raw), alignment.total(start), atol=1e-6)
    alignment.undo()
    alignment.undo()
    settle()
    written(section)
    np.testing.assert_allclose(positions(Section.open(path)), start, atol=1e-6)
    section.close()


def test_a_move_leaves_the_slide_and_what_is_drawn_where_they_are(
    state: ViewerState, made: Section, settle: Callable[[], None]
) -> None:
    view = state.open(made)
    state.colour_by("domain")
    slides = view.slide_layers
    own = state.viewer.add_points(np.zeros((1, 2)), name="mine")
    names = tuple(made.observations.names[:3]) if made.observations is not None else ()
    state.select(Selection(names, "three"))
    Alignment(state).nudge(10, 0)
    settle()
    assert state.current is view, "colours, undo of renames and drawn regions stay with it"
    assert view.slide_layers == slides
    order = list(state.viewer.layers)
    assert order.index(view.spots()) == len(slides), "on the slide, below what the user added"
    assert own in order
    ringed = [layer for layer in order if layer.name.endswith("/ selected")]
    assert len(ringed) == 1
    assert ringed[0].visible
    assert state.selection is not None
    assert state.selection.names == names
