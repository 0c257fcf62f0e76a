from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.spatialdata.files import StoreFiles
from napari_stml.io.readers.spatialdata.sections import stored_elements
from napari_stml.io.readers.spatialdata.transforms import transformations

if TYPE_CHECKING:
    from pathlib import Path

TURN = [[0.8, -0.6, 12.0], [0.6, 0.8, -4.0], [0, 0, 1]]


def kinds() -> dict[str, Any]:
    from spatialdata.transformations import (
        Affine,
        Identity,
        MapAxis,
        Scale,
        Sequence,
        Translation,
    )

    affine = Affine(TURN, input_axes=("x", "y"), output_axes=("x", "y"))
    swapped = Affine(
        [[0.0, 2.0, 1.0], [3.0, 0.5, 7.0], [0, 0, 1]],
        input_axes=("y", "x"),
        output_axes=("x", "y"),
    )
    mapped = MapAxis({"x": "y", "y": "x"})
    scale, shift = Scale([2.0, 3.0], axes=("y", "x")), Translation([5.0, -7.0], axes=("x", "y"))
    return {
        "identity": Identity(),
        "scale": scale,
        "translation": shift,
        "affine": affine,
        "swapped": swapped,
        "mapped": mapped,
        "sequence": Sequence([scale, mapped, shift, affine]),
        "nested": Sequence([Sequence([shift, swapped]), Sequence([mapped, scale, Identity()])]),
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    import geopandas as gpd
    import pandas as pd
    import spatialdata as sd
    from shapely import Point
    from spatialdata.models import Image2DModel, Labels2DModel, PointsModel, ShapesModel

    path = tmp_path_factory.mktemp("transforms") / "all.zarr"
    circle = gpd.GeoDataFrame({"radius": [1.0]}, geometry=[Point(1, 2)])
    frame = pd.DataFrame({"x": [1.0], "y": [2.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sdata = sd.SpatialData(
            images={
                "image": Image2DModel.parse(
                    np.zeros((3, 8, 8), np.uint8), dims="cyx", transformations=kinds()
                )
            },
            labels={
                "labels": Labels2DModel.parse(
                    np.zeros((8, 8), np.int32), dims="yx", transformations=kinds()
                )
            },
            shapes={"shapes": ShapesModel.parse(circle, transformations=kinds())},
            points={
                "points": PointsModel.parse(
                    frame, coordinates={"x": "x", "y": "y"}, transformations=kinds()
                )
            },
        )
        sdata.write(path)
    return path, sdata


@pytest.mark.parametrize("element", ["image", "labels", "shapes", "points"])
def test_equal_to_spatialdatas_own(store: tuple[Path, Any], element: str) -> None:
    from spatialdata.transformations import get_transformation

    path, sdata = store
    found, _, _ = stored_elements(StoreFiles(path))
    systems = next(e.systems for e in found if e.name == element)
    expected = get_transformation(sdata[element], get_all=True)
    assert set(systems) == set(expected) == set(kinds())
    for name, transformation in expected.items():
        matrix = transformation.to_affine_matrix(("x", "y"), ("x", "y"))
        np.testing.assert_allclose(systems[name].matrix, matrix, atol=1e-12, err_msg=name)


def test_rotation_of_the_specification() -> None:
    axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    step = {
        "type": "rotation",
        "rotation": [[0.0, 1.0], [-1.0, 0.0]],
        "input": {"name": "yx", "axes": axes},
        "output": {"name": "turned", "axes": axes},
    }
    turned = transformations([step], "here")["turned"]
    np.testing.assert_allclose(turned([2.0, 5.0]), [-5.0, 2.0])


@pytest.mark.parametrize(
    "step",
    [
        {"type": "displacement"},
        {"type": "scale", "scale": [1.0]},
        {"type": "affine", "affine": [[float("nan")] * 3] * 2},
        {"type": "scale"},
        {},
    ],
)
def test_what_is_not_understood_is_named(step: dict[str, Any]) -> None:
    axes = [{"name": "x"}, {"name": "y"}]
    full = {**step, "input": {"axes": axes}, "output": {"name": "global", "axes": axes}}
    with pytest.raises(CannotOpenError, match=r"global.*shapes/spots"):
        transformations([full], "shapes/spots")
