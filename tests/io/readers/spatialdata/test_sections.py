"""Stores with several sections, old formats, bins, and Visium's own scale."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import ScaleSource
from napari_stml.io.section import Section

if TYPE_CHECKING:
    from pathlib import Path


def hexagonal(rows: int = 12, cols: int = 14, pitch: float = 40.0) -> tuple[Any, Any, Any]:
    row, half = np.divmod(np.arange(rows * cols), cols)
    col = 2 * half + row % 2
    xy = np.column_stack([col * pitch / 2, row * pitch * np.sqrt(3) / 2]) + 30
    return row, col, xy


def circles(xy: Any, radius: float, system: str) -> Any:
    import geopandas as gpd
    from spatialdata.models import ShapesModel
    from spatialdata.transformations import Identity

    frame = gpd.GeoDataFrame({"radius": [radius] * len(xy)}, geometry=gpd.points_from_xy(*xy.T))
    return ShapesModel.parse(frame, transformations={system: Identity()})


def image(system: str, colour: int, shape: tuple[int, int] = (480, 600)) -> Any:
    from spatialdata.models import Image2DModel
    from spatialdata.transformations import Identity

    return Image2DModel.parse(
        np.full((3, *shape), colour, np.uint8),
        dims="cyx",
        c_coords=["r", "g", "b"],
        transformations={system: Identity()},
    )


def table(regions: list[str], counts: list[int], **obs: Any) -> Any:
    import anndata as ad
    import pandas as pd
    from spatialdata.models import TableModel

    n = sum(counts)
    adata = ad.AnnData(np.arange(n * 3, dtype=np.float32).reshape(n, 3))
    names = [f"AAAC{i}-1" for count in counts for i in range(count)]
    adata.obs_names = names
    adata.obs["region"] = pd.Categorical(np.repeat(regions, counts))
    adata.obs["id"] = np.concatenate([np.arange(c) for c in counts])
    for key, values in obs.items():
        adata.obs[key] = values
    return TableModel.parse(adata, region=regions, region_key="region", instance_key="id")


def write(path: Path, *, formats: Any = None, **elements: Any) -> Path:
    import spatialdata as sd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sdata = sd.SpatialData(**elements)
        sdata.write(path, **({"sdata_formats": formats} if formats else {}))
    return path


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two Visium sections with the same barcodes."""
    row, col, xy = hexagonal()
    n = len(xy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return write(
            tmp_path_factory.mktemp("two") / "two.zarr",
            images={"A_image": image("A", 200), "B_image": image("B", 220)},
            shapes={"A": circles(xy, 13.0, "A"), "B": circles(xy[: n - 4], 13.0, "B")},
            tables={
                "table": table(
                    ["A", "B"],
                    [n, n - 4],
                    array_row=np.concatenate([row, row[: n - 4]]),
                    array_col=np.concatenate([col, col[: n - 4]]),
                )
            },
        )


def test_default_section_is_stated_and_others_can_be_chosen(two: Path) -> None:
    with Section.open(two) as first, Section.open(two, section="B") as second:
        assert first.contents.chosen["section"] == "A"
        assert first.contents.choices["section"] == ("A", "B")
        assert list(first.images) == ["A_image"]
        assert list(second.images) == ["B_image"]
        one, other = first.observations, second.observations
        assert one is not None
        assert other is not None
        assert (len(one), len(other)) == (168, 164)
        assert one.names[0] == other.names[0] == "AAAC0-1"
        v = second.tables["table"].var_names[1]
        np.testing.assert_array_equal(second.gene(v)[:2], [168 * 3 + 1, 169 * 3 + 1])


def test_pitch_tells_the_scale_of_visium_and_spots_are_drawn_55_um_wide(two: Path) -> None:
    with Section.open(two) as section:
        assert section.um_per_px is not None
        assert section.um_per_px.source is ScaleSource.PITCH
        assert section.um_per_px.mean == pytest.approx(2.5)
        assert section.observations is not None
        assert section.observations.radius_px == pytest.approx(27.5 / 2.5)


def test_sections_with_tables_of_their_own(tmp_path: Path) -> None:
    _, _, xy = hexagonal(4, 5)
    path = write(
        tmp_path / "own.zarr",
        images={"a_he": image("a", 200), "b_he": image("b", 210)},
        shapes={"a_spots": circles(xy, 5, "a"), "b_spots": circles(xy[:12], 5, "b")},
        tables={
            "a_rna": table(["a_spots"], [20]),
            "b_rna": table(["b_spots"], [12]),
            "b_protein": table(["b_spots"], [12]),
        },
    )
    for choices in ({"section": "b"}, {"observations": "b_protein"}):
        with Section.open(path, **choices) as section:
            assert section.contents.chosen["section"] == "b"
            assert set(section.contents.choices["section"]) == {"a", "b"}
            assert list(section.tables) == ["b_rna", "b_protein"]
            assert list(section.images) == ["b_he"]
            assert section.observations is not None
            assert len(section.observations) == 12
    with Section.open(path) as section:
        assert section.contents.chosen["observations"] == "a_rna"
        assert section.contents.choices["section"] == ("a", "b")


def test_several_sections_in_one_system(tmp_path: Path) -> None:
    _, _, xy = hexagonal(4, 5)
    path = write(
        tmp_path / "global.zarr",
        images={"s1_he": image("global", 200), "s2_he": image("global", 210)},
        shapes={"s1": circles(xy, 5, "global"), "s2": circles(xy + 400, 5, "global")},
        tables={"table": table(["s1", "s2"], [20, 20])},
    )
    with Section.open(path) as both, Section.open(path, section="s2") as one:
        assert both.observations is not None
        assert one.observations is not None
        assert (len(both.observations), len(one.observations)) == (40, 20)
        assert list(both.observations.names[[0, 20]]) == ["s1/AAAC0-1", "s2/AAAC0-1"]
        assert next(iter(one.images)) == "s2_he"
        assert one.contents.chosen["section"] == "s2"
        np.testing.assert_allclose(one.observations.xy, xy + 400)


def test_bins_of_visium_hd(tmp_path: Path) -> None:
    import geopandas as gpd
    from shapely import box
    from spatialdata.models import ShapesModel

    side = 29.3
    squares = [box(i * side, j * side, (i + 1) * side, (j + 1) * side)
               for i in range(6) for j in range(5)]  # fmt: skip
    bins = ShapesModel.parse(gpd.GeoDataFrame(geometry=squares))
    path = write(
        tmp_path / "hd.zarr",
        shapes={"s_square_008um": bins},
        tables={"square_008um": table(["s_square_008um"], [30])},
    )
    with Section.open(path) as section:
        assert section.observations is not None
        assert section.observations.kind == "bins"
        assert section.observations.radius_px == pytest.approx(side / 2)
        assert section.um_per_px is not None
        assert section.um_per_px.mean == pytest.approx(8 / side)
        assert section.um_per_px.source is ScaleSource.READER


def test_stored_positions_spare_reading_every_outline(tmp_path: Path) -> None:
    import geopandas as gpd
    from shapely import Point
    from spatialdata.models import ShapesModel

    xy = np.random.default_rng(0).uniform(0, 900, (40, 2))
    cells = ShapesModel.parse(gpd.GeoDataFrame(geometry=[Point(*p).buffer(6) for p in xy]))
    marked = table(["cells"], [40])
    marked.obsm["spatial"] = xy + 0.25
    path = write(tmp_path / "c.zarr", shapes={"cells": cells}, tables={"table": marked})
    with Section.open(path) as section:
        assert section.observations is not None
        np.testing.assert_allclose(section.observations.xy, xy + 0.25)
    far = table(["cells"], [40])
    far.obsm["spatial"] = xy[::-1] * 7
    path = write(tmp_path / "d.zarr", shapes={"cells": cells}, tables={"table": far})
    with Section.open(path) as section:
        assert section.observations is not None
        np.testing.assert_allclose(section.observations.xy, xy, atol=1e-9)


def test_circles_without_a_table(tmp_path: Path) -> None:
    _, _, xy = hexagonal()
    path = write(tmp_path / "bare.zarr", shapes={"spots": circles(xy, 5.0, "global")})
    with Section.open(path) as section:
        assert section.observations is not None
        assert len(section.observations) == 168
        assert section.tables == {}
        assert section.um_per_px is None
        assert section.um_per_px_guess is not None
        assert section.um_per_px_guess.mean == pytest.approx(2.5)


@pytest.mark.parametrize("encoding", ["v01", "geoarrow"])
def test_older_and_other_encodings(tmp_path: Path, encoding: str) -> None:
    import spatialdata as sd
    from spatialdata._io import format as formats

    _, _, xy = hexagonal(4, 5)
    old = encoding == "v01"
    before = sd.settings.shapes_geometry_encoding
    try:
        if not old:
            sd.settings.shapes_geometry_encoding = "geoarrow"
        path = write(
            tmp_path / "old.zarr",
            formats=[
                formats.SpatialDataContainerFormatV01(), formats.RasterFormatV01(),
                formats.ShapesFormatV01(), formats.PointsFormatV01(), formats.TablesFormatV01(),
            ] if old else None,
            images={"he": image("global", 200)},
            shapes={"spots": circles(xy, 5.0, "global")},
            tables={"table": table(["spots"], [20])},
        )  # fmt: skip
    finally:
        sd.settings.shapes_geometry_encoding = before
    with Section.open(path) as section:
        assert section.observations is not None
        np.testing.assert_allclose(section.observations.xy, xy)
        assert section.images["he"].slide.read(0, 0, 0, 1, 1).ravel().tolist() == [200] * 3


def test_missing_element_of_one_of_two_regions(two: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(two, tmp_path / "part.zarr")
    shutil.rmtree(tmp_path / "part.zarr" / "shapes" / "A")
    with Section.open(tmp_path / "part.zarr") as section:
        assert section.contents.chosen["section"] == "B"
    shutil.rmtree(tmp_path / "part.zarr" / "shapes" / "B")
    with pytest.raises(CannotOpenError, match="annotates 'A, B', which is not in the store"):
        Section.open(tmp_path / "part.zarr")
