"""GeoJSON there and back: nothing that a file says is lost."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_stml.regions.classes import ClassList
from napari_stml.regions.geojson import read, write
from napari_stml.regions.region import Drawn

number = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: round(v, 3))
text = st.text(max_size=30) | st.sampled_from(
    ["<script>alert(1)</script>", '"', "\u202e", "x" * 5000]
)
plain = st.none() | st.booleans() | st.integers(-9, 9) | text
unknown = st.dictionaries(
    st.sampled_from(["future", "z", "UI", "stml"]),
    plain | st.lists(plain, max_size=3) | st.dictionaries(text, plain, max_size=2), max_size=3,
)  # fmt: skip


@st.composite
def polygon(draw: Any) -> list[list[list[float]]]:
    """A star-shaped ring, perhaps with holes, in lists as a file holds it."""
    x, y = draw(number), draw(number)
    radii = draw(st.lists(st.floats(20, 200), min_size=3, max_size=12))
    turn = [2 * math.pi * i / len(radii) for i in range(len(radii))]
    rings = [[[round(x + r * math.cos(t), 3), round(y + r * math.sin(t), 3)]
              for r, t in zip(radii, turn, strict=True)]]  # fmt: skip
    for i in range(draw(st.integers(0, 3))):
        cx, cy, s = x - 6 + 5 * i, y, draw(st.floats(0.5, 2))
        rings.append([[cx, cy], [cx + s, cy], [cx + s, cy + s], [cx, cy + s]])
    return [[*ring, list(ring[0])] for ring in rings]


@st.composite
def geometry(draw: Any) -> dict[str, Any]:
    kind = draw(st.sampled_from(
        ["Polygon", "MultiPolygon", "LineString", "MultiLineString", "Point", "MultiPoint"]
    ))  # fmt: skip
    point = st.tuples(number, number).map(list)
    line = st.lists(point, min_size=2, max_size=6)
    held = {
        "Polygon": polygon(), "MultiPolygon": st.lists(polygon(), min_size=1, max_size=3),
        "LineString": line, "MultiLineString": st.lists(line, min_size=1, max_size=3),
        "Point": point, "MultiPoint": st.lists(point, min_size=1, max_size=5),
    }  # fmt: skip
    extra = draw(st.sampled_from([{}, {"plane": {"c": -1, "z": 2, "t": 0}}]))
    if kind == "Polygon" and draw(st.booleans()):
        extra = {**extra, "isEllipse": True}
    return {"type": kind, "coordinates": draw(held[kind]), **extra}


value = number | st.sampled_from(["NaN", "Infinity", "-Infinity"])
colour = st.lists(st.integers(0, 255), min_size=3, max_size=3)


@st.composite
def feature(draw: Any, deep: int = 1) -> dict[str, Any]:
    kind = draw(st.sampled_from(["Tumor", "Stroma", "Immune cells", "<b>"]))
    fixed = {"Tumor": [200, 0, 0], "Stroma": [0, 150, 0], "Immune cells": [1, 2, 3], "<b>": [9] * 3}
    properties: dict[str, Any] = {
        draw(st.sampled_from(["objectType", "object_type", "type"])):
            draw(st.sampled_from(["annotation", "detection", "tile", "tmaCore", "cell"]))
    }  # fmt: skip
    some = {
        "name": text, "color": colour, "isLocked": st.just(True),
        "measurements": st.dictionaries(text, value, max_size=4)
        | st.lists(st.fixed_dictionaries({"name": text, "value": value}), max_size=3,
                   unique_by=lambda m: m["name"]),
        "metadata": st.dictionaries(text | st.just("ANNOTATION_DESCRIPTION"), text, max_size=3),
        "classification": st.sampled_from([
            {"name": kind, "color": fixed[kind]}, {"names": [kind, "Positive"]},
            {"name": kind, "colorRGB": -3670016}, {"name": kind}, kind,
        ]),
    }  # fmt: skip
    for key, what in some.items():
        if draw(st.booleans()):
            properties[key] = draw(what)
    properties |= draw(unknown)
    found = {"type": "Feature", "id": draw(st.uuids().map(str)), "geometry": draw(geometry()),
             "properties": properties, **draw(unknown)}  # fmt: skip
    if found["properties"].get("objectType") == "cell":
        found["nucleusGeometry"] = {"type": "Polygon", "coordinates": draw(polygon())}
    if deep and draw(st.booleans()):
        properties["childObjects"] = draw(st.lists(feature(deep - 1), min_size=1, max_size=2))
    return found


files = st.fixed_dictionaries({
    "type": st.just("FeatureCollection"), "features": st.lists(feature(), max_size=4),
    "made by": text,
})  # fmt: skip


def ids(features: list[dict[str, Any]]) -> list[str]:
    return [i for f in features
            for i in (f["id"], *ids(f["properties"].get("childObjects", [])))]  # fmt: skip


def same(a: Any, b: Any) -> bool:
    """Equal as JSON; 3 and 3.0 are the same number."""
    return json.loads(json.dumps(a), parse_int=float) == json.loads(json.dumps(b), parse_int=float)


@settings(max_examples=60, deadline=None)
@given(files)
def test_a_file_of_qupath_comes_back_as_it_was(file: dict[str, Any]) -> None:
    if len(set(ids(file["features"]))) < len(ids(file["features"])):
        return
    found = read(json.loads(json.dumps(file)))
    assert found.problems == ()
    again = write([Drawn.of(r.record()) for r in found.regions], found.classes, more=found.more)
    assert same(again, file)


@settings(max_examples=40, deadline=None)
@given(st.lists(geometry(), min_size=1, max_size=4), st.lists(text, min_size=4, max_size=4))
def test_our_regions_come_back_as_they_were(shapes: list[dict[str, Any]], said: list[str]) -> None:
    regions = []
    for shape in shapes:
        outline = shapely.geometry.shape(shape)
        lines = {"LineString", "MultiLineString"}
        area = "ellipse" if shape.get("isEllipse") else "rectangle"
        form = "line" if shape["type"] in lines else area if "Poly" in shape["type"] else "points"
        regions.append(Drawn.new(
            outline, kind=said[0], name=said[1], notes=said[2], author=said[3], locked=True,
            hidden=bool(said[0]), form=form, parent=regions[0].id if regions else "",
            measurements={"area": 1.5, "bad": math.inf},
        ))  # fmt: skip
    classes = ClassList().having(said[0])
    found = read(json.loads(json.dumps(write(regions, classes))))
    assert [replace(r, more={}).record() for r in found.regions] == [r.record() for r in regions]
    assert found.classes.colour_of(said[0]) == classes.colour_of(said[0]) if said[0] else True


def test_bounds_are_added_and_taken_off_again() -> None:
    """QuPath counts from the bounds of the slide."""
    file = {"type": "FeatureCollection", "features": [{
        "type": "Feature", "id": "a", "properties": {"objectType": "cell"},
        "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [8, 0], [8, 8], [0, 0]]]},
        "nucleusGeometry": {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 1]]]},
    }]}  # fmt: skip
    found = read(file, offset=(1000, 250))
    assert found.regions[0].outline.bounds == (1000, 250, 1008, 258)
    nucleus = found.regions[0].more["feature"]["nucleusGeometry"]["coordinates"][0][0]
    assert nucleus == [1001, 251]
    assert same(write(found.regions, found.classes, offset=(1000, 250)), file)


def test_edits_are_said_and_the_rest_is_kept() -> None:
    file = {"type": "FeatureCollection", "features": [{
        "type": "Feature", "id": "8", "properties": {
            "objectType": "annotation", "classification": {"name": "Tumor", "color": [1, 2, 3]},
            "isLocked": True, "measurements": [{"name": "n", "value": 2}], "future": [1]},
        "geometry": {"type": "Polygon", "isEllipse": True,
                     "coordinates": [[[0, 0], [8, 0], [8, 8], [0, 0]]]},
    }]}  # fmt: skip
    found = read(file)
    region = found.regions[0]
    assert (region.kind, region.form, region.locked) == ("Tumor", "ellipse", True)
    changed = region.with_(kind="Stroma", locked=False, form="polygon", notes="seen", changed="")
    back = write([changed], found.classes.having("Stroma", "#0a0b0c"))["features"][0]
    assert back["properties"]["classification"] == {"name": "Stroma", "color": [10, 11, 12]}
    assert "isLocked" not in back["properties"]
    assert back["properties"]["metadata"] == {"ANNOTATION_DESCRIPTION": "seen"}
    assert "isEllipse" not in back["geometry"]
    assert back["properties"]["future"] == [1]
    recoloured = found.classes.changed("Tumor", colour="#ffffff")
    again = write([region], recoloured)["features"][0]["properties"]["classification"]
    assert again == {"name": "Tumor", "color": [255, 255, 255]}


def test_damaged_objects_are_named_and_the_others_read() -> None:
    good = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}
    bad = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[1, 2], "x"]}}
    none = {"type": "Feature", "geometry": {"type": "Blob"}}
    found = read([bad, good, none, {"type": "Feature", "geometry": None}])
    assert len(found.regions) == 2
    assert len(found.problems) == 2
    assert np.allclose(shapely.get_coordinates(found.regions[0].outline), [1, 2])
    assert write(found.regions[1:], found.classes)["features"][0]["geometry"] is None


def test_ids_that_occur_twice_become_unique_here_and_stay_in_the_file() -> None:
    """Old QuPath wrote the class of the object where the id belongs."""
    one = {"type": "Feature", "id": "PathAnnotationObject", "properties": {},
           "geometry": {"type": "Point", "coordinates": [1, 2]}}  # fmt: skip
    found = read({"type": "FeatureCollection", "features": [one, one]})
    assert len({r.id for r in found.regions}) == 2
    assert same(write(found.regions, found.classes)["features"], [one, one])
