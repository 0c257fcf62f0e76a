from __future__ import annotations

import io
import json
import re
import warnings
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_stml.core.colours import palette
from napari_stml.core.errors import StmlError
from napari_stml.figures import observed
from napari_stml.figures.tissue import Print, tissue_figure
from napari_stml.io.contents import PlacedSlide
from napari_stml.io.readers.beside import images_beside
from napari_stml.io.section import Section
from napari_stml.io.slides.array import ArraySlide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_stml.figures.drawing import Drawing

    Make = Callable[..., Section]

SVG = "{http://www.w3.org/2000/svg}"
SMALL = Print(width_mm=90, dpi=120, opacity=1.0)


def png(drawing: Drawing) -> Any:
    return Image.open(io.BytesIO(drawing.encoded(".png")[0]))


def svg(drawing: Drawing) -> ET.Element:
    return ET.fromstring(drawing.encoded(".svg")[0])


def texts(drawing: Drawing) -> list[str]:
    return ["".join(t.itertext()) for t in svg(drawing).iter(f"{SVG}text")]


def group(drawing: Drawing, name: str) -> list[ET.Element]:
    return [g for g in svg(drawing).iter(f"{SVG}g") if g.get("id") == name]


def test_few_observations_are_vector_circles(make: Make) -> None:
    drawing = tissue_figure(make(), "domain", SMALL)
    assert len(list(group(drawing, "observations")[0].iter(f"{SVG}use"))) == 399
    assert len(list(group(drawing, "no-value")[0].iter(f"{SVG}use"))) == 1
    assert drawing.report["drawn"] == "circles, vector"


def test_many_observations_are_pixels(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "MOST_VECTORS", 50)
    drawing = tissue_figure(make(), "domain", SMALL)
    page = drawing.encoded(".svg")[0]
    assert page.count(b"<use") < 30
    assert drawing.report["drawn"] == "circles, pixels"


def test_a_circle_has_its_true_size_and_place(make: Make) -> None:
    drawing = tissue_figure(make(), "A", Print(width_mm=150, dpi=200, title="", opacity=1.0))
    axes = next(a for a in drawing.figure.axes if a.get_label() == "tissue")
    pixels = np.asarray(png(drawing)).astype(int)
    per_px = axes.get_window_extent().width / 400
    left, top = axes.get_window_extent().x0, pixels.shape[0] - axes.get_window_extent().y1
    row = pixels[round(top + 210 * per_px)]
    coloured = np.abs(row - 235).max(axis=1) > 40
    lit = np.flatnonzero(coloured[round(left + 200 * per_px) : round(left + 220 * per_px)])
    assert abs(len(lit) - 14 * per_px) <= 1.5
    assert abs(lit.mean() - 10 * per_px) <= 1


def test_the_image_is_printed_pixel_by_pixel(make: Make) -> None:
    rng = np.random.default_rng(3)
    noise = np.kron(rng.integers(0, 255, (40, 40, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    drawing = tissue_figure(make(pixels=noise, um_per_px=None), "", Print(width_mm=90, dpi=100))
    box = drawing.figure.axes[0].get_window_extent()
    pixels = np.asarray(png(drawing))
    top = pixels.shape[0] - round(box.y1)
    tissue = pixels[top : top + round(box.height), round(box.x0) : round(box.x1)]
    small = Image.fromarray(noise).resize(
        (tissue.shape[1], tissue.shape[0]), Image.Resampling.HAMMING
    )
    assert np.abs(np.asarray(small).astype(int) - tissue).max() <= 2


def test_classes_and_missing_values_stand_in_the_legend(make: Make) -> None:
    drawing = tissue_figure(make(), "domain", SMALL)
    assert {"stroma", "tumour", "no value (1)", "domain"} <= set(texts(drawing))
    assert drawing.report["value"]["missing"] == 1
    colours = drawing.report["value"]["classes"]
    assert colours["stroma"] == "#0072b2"
    found = np.asarray(png(drawing)).reshape(-1, 3)
    for colour in (palette(["a", "b"])[:2, :3] * 255).round():
        assert (np.abs(found - colour).max(axis=1) <= 2).sum() > 500


def test_a_colour_bar_says_where_numbers_lie_beyond_it(make: Make) -> None:
    how = Print(width_mm=90, dpi=100, limits=(4, 12), colour_map="magma")
    drawing = tissue_figure(make(), "A", how)
    assert {"≤ 4", "≥ 12"} <= set(texts(drawing))
    assert drawing.report["value"]["limits"] == [4, 12]
    assert drawing.report["value"]["colour_map"] == "magma"
    whole = tissue_figure(make(), "A", Print(limits=(0, 100), percentiles=True))
    assert {"0", "19"} <= set(texts(whole))


def test_limits_of_classes_and_upside_down_ones_are_refused(make: Make) -> None:
    with pytest.raises(StmlError, match="no colour limits"):
        tissue_figure(make(), "domain", Print(limits=(0, 1)))
    with pytest.raises(StmlError, match="below"):
        tissue_figure(make(), "A", Print(limits=(2, 1)))


def test_a_region_shows_what_lies_in_it(make: Make) -> None:
    drawing = tissue_figure(make(), "A", Print(width_mm=90, dpi=100, region="0,0,100,80"))
    assert drawing.report["value"]["observations"] == 20
    assert drawing.report["region_px"] == {"x": 0, "y": 0, "width": 100, "height": 80}
    with pytest.raises(StmlError, match="no region 'nowhere'"):
        tissue_figure(make(), "A", Print(region="nowhere"))
    around = tissue_figure(make(), "A", Print(width_mm=90, dpi=100, region="observations"))
    assert around.report["value"]["observations"] == 400


@pytest.mark.parametrize("ending", [".png", ".tif", ".pdf", ".svg"])
def test_the_report_lies_in_the_file(make: Make, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"f{ending}"
    drawing = tissue_figure(make(), "A", SMALL)
    drawing.save(target)
    assert [p.name for p in tmp_path.iterdir()] == [target.name]
    if ending == ".png":
        picture = Image.open(target)
        text = picture.text["napari-stml"]
        assert picture.info["dpi"] == pytest.approx((120, 120), abs=0.1)
        assert picture.mode == "RGB"
    elif ending == ".tif":
        with tifffile.TiffFile(target) as file:
            text = file.pages[0].description
            assert file.pages[0].tags["XResolution"].value[0] == 120
    elif ending == ".svg":
        root = ET.parse(target).getroot()
        text = next(root.iter("{http://purl.org/dc/elements/1.1/}description")).text or ""
    else:
        found = re.search(rb"/Subject \((.*?)(?<!\\)\)\s*(?:/|>>)", target.read_bytes(), re.S)
        assert found
        text = re.sub(r"\\([()\\])", r"\1", found[1].decode())
    report = json.loads(text)
    assert report == json.loads(drawing.report_text)
    assert report["scale_bar"]["um"] == 50
    assert report["value"]["name"] == "A"


@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg"])
def test_a_figure_beside_a_table_is_not_taken_for_its_slide(
    make: Make, tmp_path: Path, ending: str
) -> None:
    tissue_figure(make(), "A", SMALL).save(tmp_path / f"figure{ending}")
    Image.new("RGB", (8, 8)).save(tmp_path / "slide.png")
    assert [p.name for p in images_beside(tmp_path)] == ["slide.png"]


def test_text_stays_text_in_pdf_and_svg(make: Make) -> None:
    drawing = tissue_figure(make(), "domain", SMALL)
    assert "50 µm" in texts(drawing)
    assert b"/FontFile2" in drawing.encoded(".pdf")[0]  # TrueType, not shapes of letters


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg", ".tif"])
def test_equal_figures_are_equal_files(make: Make, ending: str) -> None:
    one, two = (tissue_figure(make(), "domain", SMALL).encoded(ending)[0] for _ in range(2))
    assert one == two


HOSTILE = (
    "<script>alert(1)</script>", "]]><svg onload=alert(2)>", "$\\frac{1}{0$", "a\x00\x1b[31m\nb",
    "\u202egnp.exe", "x" * 5000, '"/><a href="javascript:alert(3)">',
)  # fmt: skip


def test_hostile_names_are_inert(make: Make, tmp_path: Path) -> None:
    section = make(classes=HOSTILE, column="<script>bad()</script>", name="$x$ <b>&amp;")
    drawing = tissue_figure(section, "<script>bad()</script>", Print(width_mm=160, dpi=80))
    root = svg(drawing)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "a", "foreignObject", "iframe"}
    assert not any(k.startswith("on") for element in root.iter() for k in element.attrib)
    said = texts(drawing)
    assert any("<script>" in t for t in said)
    assert any("$\\frac" in t for t in said)
    assert not any(c in t for t in said for c in "\x00\x1b\n\u202e")
    for ending in (".png", ".pdf", ".tif"):
        drawing.save(tmp_path / f"f{ending}")


def test_a_column_with_a_slash_keeps_its_name(make: Make) -> None:
    drawing = tissue_figure(make(column="grade/stage"), "grade/stage", SMALL)
    words = [t.get_text() for a in drawing.figure.axes for t in a.texts]
    assert "grade/stage" in words


def test_letters_without_a_shape_are_said_once(make: Make) -> None:
    drawing = tissue_figure(make(name="乳腺"), "", SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, notes = drawing.encoded(".png")
    assert len(notes) == 1


def test_nothing_of_a_slides_metadata_is_copied(tmp_path: Path) -> None:
    slide = tmp_path / "slide.tif"
    about = "Aperio |Filename = Jane Doe 1951|User = secret|MPP = 0.5"
    pixels = np.full((300, 300, 3), 200, np.uint8)
    tifffile.imwrite(slide, pixels, photometric="rgb", description=about, software="Jane scanner",
                     tile=(128, 128))  # fmt: skip
    with Section.open(slide) as section:
        drawing = tissue_figure(section, "", SMALL)
        for ending in (".png", ".tif", ".pdf", ".svg"):
            data = drawing.encoded(ending)[0]
            assert b"Jane" not in data
            assert b"secret" not in data
            assert str(tmp_path).encode() not in data


def test_cells_are_drawn_as_outlines_or_by_their_mask(make: Make) -> None:
    import dataclasses

    import geopandas as gpd
    import shapely

    section = make()
    names = section.observations.names
    boxes = [shapely.box(x - 5, y - 5, x + 5, y + 5) for x, y in section.observations.xy]
    boxes[1] = shapely.Point(*section.observations.xy[1]).buffer(8).difference(boxes[1])  # a hole
    frame = gpd.GeoDataFrame(geometry=boxes, index=names)
    cells = make(kind="cells", radius_px=None, outlines=lambda: frame)
    assert tissue_figure(cells, "A", SMALL).report["drawn"] == "outlines, vector"

    ids = np.zeros((400, 400), np.int32)
    for i, (x, y) in enumerate(section.observations.xy.astype(int)):
        ids[y - 6 : y + 6, x - 6 : x + 6] = i + 1
    masked = make(kind="cells", radius_px=None, mask="cells", mask_ids=np.arange(1, 401))
    images = {**masked.images, "cells": PlacedSlide(ArraySlide(ids), role="mask")}
    masked = Section("made", dataclasses.replace(masked.contents, images=images), {})
    drawing = tissue_figure(masked, "domain", Print(width_mm=90, dpi=200, opacity=1.0, title=""))
    assert drawing.report["drawn"] == "mask"
    found = np.asarray(png(drawing)).reshape(-1, 3)
    blue = (palette(["a"])[0, :3] * 255).round()
    share = (np.abs(found - blue).max(axis=1) <= 2).mean()
    assert share > 0.08


def test_a_print_that_is_too_large_or_odd_is_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(StmlError, match="pixels"):
        tissue_figure(make(), "", Print(width_mm=1000, dpi=1200))
    with pytest.raises(StmlError, match="width of a figure"):
        Print(width_mm=5)
    with pytest.raises(StmlError, match="resolution of a figure"):
        Print(dpi=0)
    with pytest.raises(StmlError, match=r"\.pdf"):
        tissue_figure(make(), "", SMALL).save(tmp_path / "figure.bmp")
    with pytest.raises(StmlError, match="colour map"):
        tissue_figure(make(), "A", Print(colour_map="jet"))
    with pytest.raises(StmlError, match="Did you mean"):
        tissue_figure(make(), "domainn")


def test_users_settings_of_matplotlib_do_not_matter(make: Make) -> None:
    import matplotlib

    want = tissue_figure(make(), "domain", SMALL).encoded(".svg")[0]
    with matplotlib.rc_context(
        {"font.size": 30, "figure.facecolor": "red", "svg.fonttype": "path"}
    ):
        assert tissue_figure(make(), "domain", SMALL).encoded(".svg")[0] == want


@pytest.mark.parametrize("turn", [0.0, 90.0, 12.0])
def test_a_moved_image_lies_where_its_map_puts_it(make: Make, turn: float) -> None:
    """A dark square at a known place of the slide is found at the mapped place of the print."""
    import dataclasses

    from napari_stml.core.geometry import Affine

    pixels = np.full((300, 300, 3), 240, np.uint8)
    pixels[60:90, 120:150] = 10
    affine = Affine.rotation(turn, (200, 200)) @ Affine.translation(30, 40) @ Affine.scaling(0.8)
    section = make()
    images = {"he": PlacedSlide(ArraySlide(pixels), affine)}
    section = Section("made", dataclasses.replace(section.contents, images=images), {})
    how = Print(width_mm=100, dpi=200, region="0,0,400,400", title="")
    drawing = tissue_figure(section, "", how)
    axes = next(a for a in drawing.figure.axes if a.get_label() == "tissue")
    box, found = axes.get_window_extent(), np.asarray(png(drawing).convert("L")).astype(int)
    top = found.shape[0] - round(box.y1)
    found = found[top : top + round(box.height) - 120, round(box.x0) : round(box.x1)]
    y, x = np.nonzero(found < 100)
    per_px = box.width / 400
    assert np.abs(np.array([x.mean(), y.mean()]) / per_px - affine([135, 75])).max() < 1
    assert len(x) == pytest.approx((24 * per_px) ** 2, rel=0.03)


def test_memory_follows_the_print(make: Make) -> None:
    """Drawing a picture takes a few bytes per printed pixel, not a hundred."""
    import tracemalloc

    pixels = np.full((3000, 3000, 3), 200, np.uint8)
    section = make(pixels=pixels)
    drawing = tissue_figure(section, "", Print(width_mm=120, dpi=600))
    tracemalloc.start()
    drawing.encoded(".png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * (120 / 25.4 * 600) ** 2


@pytest.mark.parametrize("width", [45, 85, 180])
@pytest.mark.parametrize("count", [2, 40, 200])
@pytest.mark.parametrize("name", ["c", "a cell type with a long name, number "])
def test_nothing_of_the_legend_leaves_the_figure(
    make: Make, width: float, count: int, name: str
) -> None:
    names = tuple(f"{name}{i}" for i in range(count))
    section = make(classes=names, codes=np.arange(400) % count)
    drawing = tissue_figure(section, "domain", Print(width_mm=width, dpi=72, tallest_mm=120))
    drawing.encoded(".png")
    figure = drawing.figure
    edge = figure.bbox
    sheet = next(a for a in figure.axes if a.get_label() == "sheet")
    ends = [t.get_window_extent().x1 for t in (*sheet.texts, *figure.texts)]
    lows = [t.get_window_extent().y0 for t in (*sheet.texts, *figure.texts)]
    assert max(ends) <= edge.x1 + 1
    assert min(lows) >= edge.y0 - 1
    assert edge.height / 72 * 25.4 <= 121
