from __future__ import annotations

from typing import Any

import numpy as np

from napari_stml.core.charts import Axis, Chart, tile_places
from napari_stml.core.results import Labels, Matrix
from napari_stml.figures.charts import chart_figure

PARTS: dict[str, Any] = {
    "places": Matrix("places", np.random.default_rng(0).random((50, 2)).astype(np.float32)),
    **{f"m{i}": Labels(f"m{i}", np.arange(50) % (i + 2), tuple(map(str, range(1, i + 3))))
       for i in range(5)},
}  # fmt: skip


def sheet() -> Chart:
    panels = [{"value": f"m{i}", "title": f"alpha {i}"} for i in range(5)]
    data = {"x": {"value": "places", "column": 0}, "y": {"value": "places", "column": 1},
            "panels": panels}  # fmt: skip
    return Chart("sheet", "scatter", "Maps", Axis(""), Axis(""), data)


def test_maps_stand_beside_and_below_each_other() -> None:
    x, y = np.array([0.0, 4, np.nan]), np.array([0.0, 2, np.nan])
    places = tile_places(x, y, 5)
    assert len(places) == 5
    first, second, fifth = places[0], places[1], places[4]
    assert np.nanmin(second[0]) > np.nanmax(first[0])
    np.testing.assert_allclose(fifth[0][:2], first[0][:2])
    assert np.nanmax(fifth[1]) < np.nanmin(first[1])


def test_a_sheet_is_drawn_for_print() -> None:
    drawing = chart_figure(sheet(), PARTS.__getitem__)
    axes = drawing.figure.axes[0]
    assert len(axes.collections) == 5
    assert [t.get_text() for t in axes.texts] == [f"alpha {i}" for i in range(5)]
    colours = [c.get_facecolors() for c in axes.collections]
    np.testing.assert_allclose(colours[0][0], colours[4][0])


def test_a_missing_spot_is_left_out() -> None:
    holes = PARTS["places"].values.copy()
    holes[3] = np.nan
    parts = {**PARTS, "places": Matrix("places", holes)}
    drawing = chart_figure(sheet(), parts.__getitem__)
    assert len(drawing.figure.axes[0].collections[0].get_offsets()) == 49
