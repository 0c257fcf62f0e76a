"""Values of stored Runs of every kind, drawn regions and the user's own colours."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import anndata as ad
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from PIL import Image

from napari_stml.core.analysis import register
from napari_stml.core.errors import StmlError
from napari_stml.core.geometry import Affine
from napari_stml.core.params import Params
from napari_stml.core.results import (
    Heatmap,
    Labels,
    Mask,
    Matrix,
    Regions,
    Result,
    Table,
    Tiles,
    Values,
    View,
)  # fmt: skip
from napari_stml.core.run_record import RunRecord
from napari_stml.core.slide_views import dyes_as_numbers
from napari_stml.core.stain import RUIFROK, Dyes
from napari_stml.figures.report import report
from napari_stml.figures.tissue import Print, tissue_figure
from napari_stml.io.section import Section
from napari_stml.runs.desk import Wish, run_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from napari_stml.core.analysis import Steps, Tab
    from napari_stml.core.inputs import Inputs
    from napari_stml.core.needs import Need

N = 100
HOW = Print(width_mm=80, dpi=100, opacity=1.0, title="", region="0,0,200,200", image=False)


class KindsParams(Params):
    """None."""


@register
class Kinds:
    """Leaves one value of every kind that lies on the tissue."""

    name: ClassVar[str] = "test-kinds"
    title: ClassVar[str] = "Kinds"
    tab: ClassVar[Tab] = "look"
    sections: ClassVar[Literal["one", "many"]] = "one"
    context: ClassVar[Literal["inside", "around"]] = "inside"
    Params = KindsParams

    def needs(self, params: Any) -> Mapping[str, Need]:
        return {}

    def run(self, inputs: Inputs, params: Any) -> Steps:
        ramp = np.linspace(-1, 3, N)
        heat = np.arange(100, dtype=float).reshape(10, 10)
        heat[0] = np.nan
        mask = np.zeros((10, 10), np.int32)
        mask[:, 5:] = 7
        corners = np.array([[0.0, 0.0], [100.0, 100.0]])
        square = shapely.to_wkb(shapely.box(20, 20, 90, 90))
        yield from ()
        return Result.of(
            inputs.one.section,
            Values("about zero", ramp, "z", "diverging"),
            Values("p", np.linspace(0, 1, N), scale="p-value"),
            Labels("class", np.arange(N) % 2, ("one", "two"), ("#ff0000", "#00ff00")),
            Matrix("m", np.column_stack([ramp, -ramp]), ("up", "down")),
            Heatmap("heat", heat, Affine.scaling(20), "a.u."),
            Mask("mask", mask, Affine.scaling(20), {7: "tissue"}),
            Tiles("tiles", corners, 50.0, {"score": np.array([1.0, 2.0])}),
            Regions("regions", (bytes(square),), ("tumour",), ("r1",)),
            View("stain", "hematoxylin", dyes_as_numbers(Dyes(RUIFROK, np.array([1.2, 1.2])))),
            View("repainted", "macenko", dyes_as_numbers(Dyes(RUIFROK, np.array([1.2, 1.2])))),
            Table("numbers", {"gene": ("A",), "count": (123456789,), "p": (1e-30,)}),
            shows="heat",
        )


@pytest.fixture
def section(tmp_path: Path) -> Iterator[Section]:
    names = pd.Index([f"s{i}" for i in range(N)], dtype=object)
    table = ad.AnnData(
        np.ones((N, 2), np.float32),
        obs=pd.DataFrame({"domain": pd.Categorical(["a", "b", "c", "c"] * 25)}, index=names),
        var=pd.DataFrame(index=pd.Index(["A", "B"], dtype=object)),
    )
    table.obsm["spatial"] = np.indices((10, 10)).reshape(2, -1).T * 20.0 + 10
    table.write_h5ad(tmp_path / "made.h5ad")
    slide = np.full((200, 200, 3), 240, np.uint8)
    slide[:, 100:] = (120, 90, 160)
    Image.fromarray(slide).save(tmp_path / "made.png")
    with Section.open(tmp_path / "made.h5ad", um_per_px=1.0) as opened:
        run_now(Wish("test-kinds", KindsParams(), (opened,)))
        yield opened


def pixels(drawing: Any) -> Any:
    return np.asarray(Image.open(io.BytesIO(drawing.encoded(".png")[0]))).astype(int)


def near(found: Any, colour: tuple[int, int, int]) -> float:
    return float((np.abs(found.reshape(-1, 3) - np.array(colour)).max(axis=1) <= 3).mean())


@pytest.mark.parametrize(
    ("value", "drawn"),
    [("about zero", "circles, vector"), ("class", "circles, vector"), ("m:down", "circles, vector"),
     ("heat", "pixels"), ("mask", "pixels"), ("tiles", "squares, vector"),
     ("regions", "outlines, vector")],
)  # fmt: skip
def test_every_kind_is_drawn(section: Section, value: str, drawn: str) -> None:
    drawing = tissue_figure(section, f"test-kinds-1/{value}", HOW)
    assert drawing.report["drawn"] == drawn
    assert near(pixels(drawing), (255, 255, 255)) < 0.999
    assert b"<svg" in drawing.encoded(".svg")[0]


def test_a_heat_map_lies_where_its_map_puts_it(section: Section) -> None:
    drawing = tissue_figure(section, "test-kinds-1/heat", HOW)
    axes = next(a for a in drawing.figure.axes if a.get_label() == "tissue")
    box, found = axes.get_window_extent(), pixels(drawing)
    top, left, side = found.shape[0] - round(box.y1), round(box.x0), box.width
    first_row = found[round(top + 0.05 * side), round(left + 0.5 * side)]
    assert first_row.tolist() == [255, 255, 255]  # NaN is not painted
    low = found[round(top + 0.15 * side), round(left + 0.05 * side)]
    high = found[round(top + 0.95 * side), round(left + 0.95 * side)]
    assert low[2] > low[0]
    assert high[0] > high[2]


def test_a_stain_is_seen_through_its_formula(section: Section) -> None:
    drawing = tissue_figure(section, "test-kinds-1/stain", HOW)
    assert drawing.report["value"]["limits"] == [0.0, pytest.approx(1.5)]
    axes = next(a for a in drawing.figure.axes if a.get_label() == "tissue")
    box, found = axes.get_window_extent(), pixels(drawing)
    row = found[found.shape[0] - round((box.y0 + box.y1) / 2)]
    glass, nuclei = (row[round(box.x0 + box.width * at)] for at in (0.25, 0.75))
    assert glass.min() > 245
    assert nuclei[2] > nuclei[1] + 20, "blue"
    assert any(a.get_label() == "colour bar" for a in drawing.figure.axes)
    repainted = tissue_figure(section, "test-kinds-1/repainted", HOW)
    assert not any(a.get_label() == "colour bar" for a in repainted.figure.axes)
    assert repainted.report["drawn"].startswith("pixels")
    assert repainted.report["value"]["run"]["id"] == "test-kinds-1"


def test_scales_of_values(section: Section) -> None:
    zero = tissue_figure(section, "test-kinds-1/about zero", HOW).report["value"]
    assert zero["colour_map"] == "RdBu_r"
    assert zero["limits"][0] == -zero["limits"][1]
    p = tissue_figure(section, "test-kinds-1/p", HOW)
    assert "−log10 p".encode() in p.encoded(".svg")[0]
    assert p.report["value"]["missing"] == 0
    assert p.report["value"]["limits"][0] >= 0


def test_colours_of_the_analysis_and_of_the_user(section: Section) -> None:
    name = "test-kinds-1/class"
    assert tissue_figure(section, name, HOW).report["value"]["classes"] == {
        "one": "#ff0000", "two": "#00ff00",
    }  # fmt: skip
    styles = {
        name: {"named": {"one": "first"}, "colours": {"first": "#112233"}},
        "domain": {"named": {"c": "b"}, "colours": {}},
    }
    section.kept.store.set_attr("styling", {"columns": styles})
    assert tissue_figure(section, name, HOW).report["value"]["classes"] == {
        "first": "#112233", "two": "#00ff00",
    }  # fmt: skip
    merged = tissue_figure(section, "domain", HOW).report["value"]["classes"]
    assert list(merged) == ["a", "b"]


def test_the_report_tells_the_run(section: Section) -> None:
    for value in ("heat", "regions"):
        said = tissue_figure(section, f"test-kinds-1/{value}", HOW).report["value"]
        assert said["run"]["id"] == "test-kinds-1"
    told = tissue_figure(section, "test-kinds-1/class", HOW).report["value"]["run"]
    assert told["id"] == "test-kinds-1"
    assert "numpy" in told["versions"]
    json.dumps(told)


def test_a_drawn_region_is_cut_out_and_outlined(section: Section) -> None:
    frame = gpd.GeoDataFrame(
        {"class": ["tumour"], "name": ["nest"]}, geometry=[shapely.box(40, 40, 100, 80)]
    )
    section.kept.store.replace("shapes", "stml.regions", frame)
    section.forget_runs()
    for region in ("tumour", "nest"):
        drawing = tissue_figure(section, "domain", Print(width_mm=80, dpi=100, region=region))
        box = drawing.report["region_px"]
        assert box["x"] < 40
        assert box["x"] + box["width"] > 100
        assert box["width"] < 70
    with pytest.raises(StmlError, match="tumour"):
        tissue_figure(section, "domain", Print(region="stroma"))


def test_a_matrix_is_asked_for_its_column(section: Section) -> None:
    with pytest.raises(StmlError, match="up, down"):
        tissue_figure(section, "test-kinds-1/m", HOW)
    with pytest.raises(StmlError, match="one per observation"):
        tissue_figure(section, "test-kinds-1/numbers", HOW)


def test_the_report_page_has_its_map_and_table(section: Section) -> None:
    page, notes = report(section)
    assert notes == ()
    assert page.count("data:image/jpeg") == 2
    assert "123456789" in page
    assert "1e−30" in page


def test_a_record_of_an_unknown_analysis_is_still_told(section: Section) -> None:
    from napari_stml.core.run_record import now
    from napari_stml.runs.report_words import parameters

    record = RunRecord(id="x-1", analysis="gone", title="", params={"a": [1, 2]}, started=now())
    assert parameters(record) == [("a", "1, 2")]
