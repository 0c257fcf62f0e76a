from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from napari_stml.analyses._shared.charts import violin_of, violins
from napari_stml.core.charts import Axis, Chart
from napari_stml.core.errors import StmlError
from napari_stml.core.results import Labels, Matrix, Values
from napari_stml.figures.charts import chart_figure

if TYPE_CHECKING:
    from napari_stml.figures.drawing import Drawing

SVG = "{http://www.w3.org/2000/svg}"
BAD = "<script>alert(1)</script>"


def chart(kind: Any, data: dict[str, Any], x: Axis | None = None, y: Axis | None = None) -> Chart:
    return Chart("c", kind, "Title", x or Axis("x"), y or Axis("y", "%"), data, notes=("a note",))


def page(drawing: Drawing) -> ET.Element:
    return ET.fromstring(drawing.encoded(".svg")[0])


def texts(drawing: Drawing) -> list[str]:
    return ["".join(t.itertext()) for t in page(drawing).iter(f"{SVG}text")]


def axes_of(drawing: Drawing) -> Any:
    return drawing.figure.axes[0]


def test_lines_have_a_mark_per_point_and_a_legend() -> None:
    data = {"k": [1, 2, 3], "score": [0.1, None, 0.3], "other": [1, 2, 3]}
    drawing = chart_figure(chart("line", data))
    lines = axes_of(drawing).get_lines()
    assert [len(line.get_xdata()) for line in lines] == [3, 3]
    assert np.isnan(lines[0].get_ydata()[1])
    assert {"score", "other", "Title", "y (%)", "a note"} <= set(texts(drawing))


def test_a_long_note_is_broken_into_lines_and_says_all() -> None:
    words = "Frequent groups are near everything, see the table of what chance alone would give."
    short = chart("line", {"k": [1, 2], "score": [0.1, 0.3]})
    long = replace(short, notes=(words,))
    drawing = chart_figure(long, width_mm=60)
    lines = [t for t in texts(drawing) if t in words]
    assert len(lines) > 1
    assert " ".join(lines) == words
    high = [d.figure.get_figheight() for d in (chart_figure(short, width_mm=60), drawing)]
    assert high[1] > high[0]


def test_bars_of_classes_and_of_numbers() -> None:
    drawing = chart_figure(chart("bar", {"class": ["a", "b", BAD], "n": [3, 1, 2]}))
    assert [bar.get_height() for bar in axes_of(drawing).patches] == [3, 1, 2]
    assert any(t.startswith("<script>") for t in texts(drawing))
    histogram = {"counts": [1, 10, 100, 1000], "spots": [4, 3, 2, 1]}
    drawing = chart_figure(chart("bar", histogram, Axis("counts", log=True)))
    bars = axes_of(drawing).patches
    assert len(bars) == 4
    widths = [np.log1p(b.get_x() + b.get_width()) - np.log1p(max(b.get_x(), 0)) for b in bars[1:3]]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)
    assert "100" in texts(drawing)


def test_a_heat_map_leaves_missing_cells_grey_and_a_dot_plot_sizes_its_dots() -> None:
    data = {"rows": ["r1", "r2"], "columns": ["a", "b", "c"], "values": [[0, 1, None], [2, 3, 4]]}
    drawing = chart_figure(chart("matrix", data))
    cells = np.asarray(axes_of(drawing).get_images()[0].get_array())
    assert cells.shape == (2, 3, 4)
    assert np.ptp(cells[0, 2, :3]) == 0
    assert {"r1", "r2", "a", "b", "c"} <= set(texts(drawing))
    dots = chart_figure(chart("matrix", {**data, "size": [[0, 0.5, 1], [1, 1, 0.25]]}))
    sizes = axes_of(dots).collections[0].get_sizes()
    assert sizes[1] == pytest.approx(sizes[2] / 2)
    assert sizes[0] == 0
    assert {"25%", "50%", "100%"} <= set(texts(dots))


def test_values_about_zero_get_a_scale_about_zero() -> None:
    data = {"rows": ["r"], "columns": ["a", "b"], "values": [[-1, 4]]}
    cells = np.asarray(axes_of(chart_figure(chart("matrix", data))).get_images()[0].get_array())
    assert cells[0, 1, 0] > cells[0, 1, 2]  # the high one red
    assert np.allclose(cells[0, 0, :3], cells[0, 0, :3].max(), atol=0.35)  # the low one pale


def stored(name: str) -> Any:
    n = 60
    xy = np.column_stack([np.arange(n), np.arange(n) ** 2]).astype(float)
    return {
        "X_umap": Matrix("X_umap", xy, ("UMAP1", "UMAP2")),
        "depth": Values("depth", np.linspace(0, 1, n), "%"),
        "group": Labels("group", np.arange(n) % 3 - 1, ("one", BAD)),
    }[name]


def test_stored_values_are_looked_up() -> None:
    data: dict[str, Any] = {
        "x": {"value": "X_umap", "column": 0}, "y": {"value": "X_umap", "column": 1},
    }  # fmt: skip
    drawing = chart_figure(chart("scatter", data), stored)
    offsets = axes_of(drawing).collections[0].get_offsets()
    assert offsets.shape == (60, 2)
    assert offsets[7].tolist() == [7, 49]
    coloured = chart_figure(chart("scatter", {**data, "colour": {"value": "group"}}), stored)
    assert [len(c.get_offsets()) for c in axes_of(coloured).collections] == [20, 20, 20]
    assert {"one", "no value"} <= set(texts(coloured))
    shaded = chart_figure(chart("scatter", {**data, "colour": {"value": "depth"}}), stored)
    assert "depth (%)" in texts(shaded)
    with pytest.raises(StmlError, match="not given"):
        chart_figure(chart("scatter", data))


def test_many_points_are_pixels_in_a_vector_file() -> None:
    n = 6000
    data = {"a": list(range(n)), "b": list(range(n))}
    few = chart_figure(chart("scatter", {k: v[:100] for k, v in data.items()})).encoded(".svg")[0]
    many = chart_figure(chart("scatter", data)).encoded(".svg")[0]
    assert few.count(b"<use") >= 100
    assert b"<image" in many
    assert many.count(b"<use") < 50


def test_boxes_with_panels_have_one_row_each() -> None:
    five = {"low": [1, 2], "q1": [2, 3], "median": [3, 4], "q3": [4, 5], "high": [5, None]}
    drawing = chart_figure(chart("boxes", {"label": ["a", "b"], **five}))
    assert len(axes_of(drawing).patches) == 2
    twice = {k: v * 2 for k, v in five.items()}
    data = {"label": ["a", "b"] * 2, "panel": ["G1", "G1", BAD, BAD], **twice}
    panels = chart_figure(chart("boxes", data))
    assert len(panels.figure.axes) == 2
    assert "G1" in texts(panels)


def test_violins_are_as_wide_as_their_values_are_frequent() -> None:
    rng = np.random.default_rng(0)
    groups = [
        {"label": "a", **violin_of(rng.normal(size=2000))},
        {"label": "b", **violin_of(np.ones(4))},
        {"label": "c", **violin_of(np.zeros(0))},
    ]
    axes = axes_of(chart_figure(violins("v", "V", Axis("x"), Axis("y"), groups)))
    shapes = [c for c in axes.collections if type(c).__name__.endswith("PolyCollection")]
    assert len(shapes) == 1  # values that are all alike, or none, have a box at most
    outline = shapes[0].get_paths()[0].vertices
    widest = outline[np.argmax(outline[:, 0])]
    assert abs(widest[1]) < 0.5
    assert widest[0] == pytest.approx(0.45)
    assert len(axes.patches) == 3


def test_a_network_has_nodes_edges_and_rings() -> None:
    data = {"nodes": ["a", "b", BAD], "from": ["a", "b"], "to": ["b", "b"], "weight": [2, -1]}
    drawing = chart_figure(chart("network", data))
    axes = axes_of(drawing)
    assert len(axes.get_lines()) == 1
    assert len(axes.patches) == 1
    assert len(axes.collections[0].get_offsets()) == 3
    assert "widest edge: 2" in texts(drawing)


@pytest.mark.parametrize(
    "kind", ["line", "bar", "scatter", "matrix", "boxes", "violins", "network"]
)
def test_every_kind_survives_nothing_and_hostile_names(kind: str) -> None:
    empty: dict[str, dict[str, Any]] = {
        "line": {BAD: [], "$y$": []},
        "bar": {BAD: ["$\\frac{"], "$y$": [None]},
        "scatter": {BAD: [1], "$y$": [None]},
        "matrix": {"rows": [BAD], "columns": ["$\\x$"], "values": [[None]]},
        "boxes": {"label": [BAD], "low": [None], "q1": [None], "median": [None], "q3": [None],
                  "high": [None], "panel": ["$"]},
        "violins": {"label": [BAD], "low": [None], "q1": [None], "median": [None], "q3": [None],
                    "high": [None], "bottom": [None], "top": [None], "density": [[None]]},
        "network": {"nodes": [BAD], "from": [], "to": [], "weight": []},
    }  # fmt: skip
    made = Chart(BAD, kind, f"$ {BAD}", Axis(BAD, "$"), Axis("y"), empty[kind], notes=(BAD,))  # type: ignore[arg-type]
    drawing = chart_figure(made)
    tags = {e.tag.rpartition("}")[2] for e in page(drawing).iter()}
    assert "script" not in tags
    assert Image.open(io.BytesIO(drawing.encoded(".png")[0])).size[0] == drawing.figure.bbox.width
