from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import ScaleSource
from napari_stml.io.section import Section

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def section(store: Path) -> Any:
    with Section.open(store) as opened:
        yield opened


def test_roles(section: Section) -> None:
    assert section.format == "SpatialData"
    assert section.name == "sample"
    assert next(iter(section.images)) == "he"
    assert {name: p.role for name, p in section.images.items()} == {
        "he": "brightfield",
        "a_small": "brightfield",
        "nuclei": "mask",
    }
    assert list(section.tables) == ["table", "protein"]
    assert section.contents.chosen == {"section": "global", "observations": "table", "image": "he"}
    assert section.contents.choices["observations"] == ("table", "cell_table", "nuclei_table")


def test_positions_are_in_pixels_of_the_reference_image(
    section: Section, built: tuple[Path, Any]
) -> None:
    from spatialdata import transform

    sdata = built[1]
    observed = section.observations
    assert observed is not None
    shapes = transform(sdata["spots"], to_coordinate_system="global")
    expected = np.column_stack([shapes.geometry.x, shapes.geometry.y]) / 2
    ids = sdata["table"].obs["id"].to_numpy()
    order = shapes.index.get_indexer(ids)
    np.testing.assert_allclose(observed.xy, expected[order])
    assert list(observed.names) == list(sdata["table"].obs_names)
    assert observed.kind == "spots"
    assert observed.radius_px == pytest.approx(4.0)
    assert observed.element == "spots"
    assert section.images["a_small"].affine.values == pytest.approx((4, 0, 0, 0, 4, 0))


def test_um_system_tells_the_scale(section: Section) -> None:
    assert section.um_per_px is not None
    assert section.um_per_px.source is ScaleSource.STORED
    assert section.um_per_px.mean == pytest.approx(1.0)
    assert "um" not in section.contents.choices["section"]


def test_values_join_by_instance_not_by_row(section: Section, built: tuple[Path, Any]) -> None:
    sdata = built[1]
    rna = sdata["table"]
    np.testing.assert_array_equal(section.gene("g3"), rna[:, "g3"].X.toarray().ravel())
    protein = sdata["protein"]
    by_id = dict(zip(protein.obs["id"], protein[:, "CD19"].X.toarray().ravel(), strict=True))
    expected = [by_id.get(i, np.nan) for i in rna.obs["id"]]
    np.testing.assert_array_equal(section.gene("CD19"), expected)
    assert np.isnan(section.gene("CD19")).sum() == 10
    assert any("10 of 60 observations have no row in 'protein'" in n for n in section.notes)


def test_runs_are_hidden_and_the_rest_is_listed_and_loads(section: Section) -> None:
    assert "clusters" not in section.columns()
    listed = {e.name: e for e in section.elements}
    assert set(listed) == {"cells", "annotations", "tx", "cell_table", "nuclei_table"}
    assert (listed["cells"].count, listed["tx"].count) == (8, 50)
    cells = listed["cells"].load()
    assert len(cells) == 8  # type: ignore[arg-type]
    placed = listed["cells"].affine(np.array([[0.0, 0.0]]))
    np.testing.assert_allclose(placed, [[2.5, 3.5]])
    points = listed["tx"].load()
    assert len(points.compute()) == 50  # type: ignore[attr-defined]
    assert listed["cell_table"].load().shape == (8, 4)  # type: ignore[attr-defined]


def test_polygons_as_observations(store: Path) -> None:
    with Section.open(store, observations="cell_table") as section:
        observed = section.observations
        assert observed is not None
        assert observed.kind == "cells"
        np.testing.assert_allclose(observed.xy[0], [(30 + 5) / 2, (40 + 7) / 2], atol=1e-6)
        assert observed.outlines is not None
        outlines = observed.outlines()
        assert list(outlines.index) == list(observed.names)
        np.testing.assert_allclose(outlines.geometry.centroid.x, observed.xy[:, 0], atol=1e-6)


def test_label_image_as_observations(store: Path) -> None:
    with Section.open(store, observations="nuclei_table") as section:
        observed = section.observations
        assert observed is not None
        assert (observed.kind, observed.mask) == ("cells", "nuclei")
        assert observed.mask_ids is not None
        np.testing.assert_array_equal(observed.mask_ids, np.arange(1, 13))
        np.testing.assert_allclose(observed.xy[2], [43.0, 43.0])
        pixels = section.images["nuclei"].slide.read(43, 43, 0, 1, 1)
        assert pixels[0, 0, 0] == 3


def test_a_region_can_be_the_reference_image(store: Path) -> None:
    with Section.open(store, image="a_small") as section:
        assert next(iter(section.images)) == "a_small"
        assert section.um_per_px is not None
        assert section.um_per_px.mean == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("choice", "value"),
    [("section", "nowhere"), ("observations", "nothing"), ("image", "no.png"), ("bin_size", "8")],
)
def test_wrong_choices_list_the_right_ones(store: Path, choice: str, value: str) -> None:
    expected = {
        "section": "global",
        "observations": "cell_table",
        "image": "a_small",
        "bin_size": "section, observations, image",
    }
    with pytest.raises(CannotOpenError, match=expected[choice]):
        Section.open(store, **{choice: value})


def test_pickles_by_path_and_choices(store: Path) -> None:
    with Section.open(store, um_per_px=0.3, observations="cell_table") as section:
        again = pickle.loads(pickle.dumps(section))
    assert again.um_per_px.mean == pytest.approx(0.3)
    assert again.contents.chosen == section.contents.chosen
    np.testing.assert_array_equal(again.observations.xy, section.observations.xy)
    again.close()


def test_reopens_after_close(section: Section, store: Path) -> None:
    with Section.open(store) as other:
        before = other.gene("g1")
        other.close()
        np.testing.assert_array_equal(other.gene("g1"), before)
        other.images["he"].slide.close()
        assert other.images["he"].slide.read(0, 0, 0, 8, 8).shape == (8, 8, 3)
