"""GeoJSON in QuPath's dialect, both ways and without loss.

What a feature says beyond a region is kept in ``Drawn.more`` and said again; what the user
changed is said anew. See docs/regions.md for the keys.
"""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from napari_stml.core.errors import StmlError
from napari_stml.regions import geojson_words as words
from napari_stml.regions.classes import ClassList
from napari_stml.regions.region import Drawn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shapely.geometry.base import BaseGeometry

Offset = tuple[float, float]
FEATURE, NESTED, CLASS_COLOUR = "feature", "nested", "class_colour"
CHILDREN = ("childObjects", "children")


@dataclass(frozen=True)
class Collection:
    """What a file holds; ``more`` are its own keys, ``problems`` what could not be read."""

    regions: tuple[Drawn, ...]
    classes: ClassList
    more: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read(data: Any, offset: Offset = (0.0, 0.0)) -> Collection:
    """Regions of a feature collection, a list of features, or a single one.

    ``offset`` is added to all coordinates: QuPath counts from the slide's bounds where the file
    states some.
    """
    more: dict[str, Any] = {}
    if isinstance(data, dict) and data.get("type") == "FeatureCollection":
        features = data.get("features")
        more = {k: v for k, v in data.items() if k != "features"}
    elif isinstance(data, dict) and data.get("type") == "Feature":
        features = [data]
    elif isinstance(data, dict) and "coordinates" in data:
        features = [{"type": "Feature", "geometry": data, "properties": {}}]
    else:
        features = data
    if not isinstance(features, list) or not all(isinstance(f, dict) for f in features):
        raise StmlError("This is no GeoJSON", do="export objects as GeoJSON from QuPath")
    regions: list[Drawn] = []
    problems: list[str] = []
    classes = ClassList()
    seen: set[str] = set()
    for feature, parent, nested in _flat(features):
        try:
            region = _region(feature, parent, nested, offset, seen)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError,
                shapely.errors.ShapelyError) as error:  # fmt: skip
            problems.append(f"object {len(regions) + len(problems) + 1}: {error}")
            continue
        seen.add(region.id)
        classes = classes.having(region.kind, words.class_colour(feature.get("properties")))
        known = classes.get(region.kind)
        if known is not None:
            region = replace(region, more={**region.more, CLASS_COLOUR: known.colour})
        regions.append(region)
    return Collection(tuple(regions), classes, more, tuple(problems))


def _flat(
    features: Iterable[Mapping[str, Any]], parent: str = "", nested: bool = False
) -> Iterator[tuple[dict[str, Any], str, bool]]:
    """Features and their children, one after the other; children get their parent's id."""
    stack = [(f, parent, nested) for f in reversed(list(features))]
    while stack:
        feature, parent, nested = stack.pop()
        own = dict(feature)
        properties = own.get("properties")
        own["properties"] = properties = dict(properties) if isinstance(properties, dict) else {}
        children: list[Any] = []
        for holder in (own, properties):
            for key in CHILDREN:
                if isinstance(holder.get(key), list):
                    children += holder[key]
                    holder[key] = []  # stands for "they were here"
        if children and not isinstance(own.get("id"), str):
            own["id"] = str(uuid.uuid4())
        yield own, parent, nested
        stack += [(c, str(own.get("id", "")), True) for c in reversed(children)
                  if isinstance(c, dict)]  # fmt: skip


def _region(
    feature: dict[str, Any], parent: str, nested: bool, offset: Offset, seen: set[str]
) -> Drawn:
    geometry = feature.get("geometry")
    outline: BaseGeometry = shapely.GeometryCollection()
    raw = {k: v for k, v in feature.items() if k != "geometry"}
    if isinstance(geometry, dict):
        outline = shapely.geometry.shape(geometry)
        if outline.is_empty and geometry.get("coordinates"):
            raise ValueError("its geometry cannot be read")
        held = {"coordinates", "geometries"}
        raw["geometry"] = {k: v for k, v in geometry.items() if k not in held}
    else:
        raw["geometry"] = geometry
    if "nucleusGeometry" in raw and isinstance(raw["nucleusGeometry"], dict):
        raw["nucleusGeometry"] = _shifted_raw(raw["nucleusGeometry"], offset)
    said = words.said_by(raw)
    name = raw.get("id")
    good = isinstance(name, str) and name and name not in seen
    more: dict[str, Any] = {FEATURE: raw}
    if nested:
        more[NESTED] = True
    return Drawn(
        name if good and isinstance(name, str) else str(uuid.uuid4()),
        _shifted(outline, offset), **{**said, "parent": parent or said["parent"]}, more=more,
    )  # fmt: skip


def write(
    regions: Iterable[Drawn], classes: ClassList, offset: Offset = (0.0, 0.0),
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A feature collection; ``offset`` is what `read` added and is taken off again."""
    back = (-offset[0], -offset[1])
    features: dict[str, dict[str, Any]] = {}
    order: list[tuple[Drawn, dict[str, Any]]] = []
    for region in regions:
        feature = _feature(region, classes, back)
        features[region.id] = feature
        order.append((region, feature))
    top = []
    for region, feature in order:
        owner = features.get(region.parent)
        if region.more.get(NESTED) and owner is not None and owner is not feature:
            _children(owner).append(feature)
        else:
            top.append(feature)
            if region.parent:
                feature["properties"]["parentId"] = region.parent
    return {"type": "FeatureCollection", **(more or {}), "features": top}


def _feature(region: Drawn, classes: ClassList, back: Offset) -> dict[str, Any]:
    kept = region.more.get(FEATURE)
    feature: dict[str, Any] = copy.deepcopy(dict(kept)) if isinstance(kept, dict) else {
        "type": "Feature", "id": region.id, "geometry": {},
        "properties": {"objectType": "annotation"},
    }  # fmt: skip
    feature.setdefault("properties", {})
    said = words.said_by(feature)
    nowhere = feature.get("geometry") is None and region.outline.is_empty
    if not nowhere:
        own = feature.get("geometry")
        extra = own if isinstance(own, dict) else {}
        place = shapely.geometry.mapping(_shifted(region.outline, back))
        feature["geometry"] = {**extra, **_listed(place)}
    if isinstance(feature.get("nucleusGeometry"), dict):
        feature["nucleusGeometry"] = _shifted_raw(feature["nucleusGeometry"], back)
    if not isinstance(kept, dict) or "id" not in feature:
        feature["id"] = region.id
    as_read = region.more.get(CLASS_COLOUR)
    own_class = classes.get(region.kind)
    recoloured = own_class is not None and own_class.colour != as_read
    words.say(feature, region, said, own_class.colour if own_class and recoloured else "")
    return feature


def _children(feature: dict[str, Any]) -> list[Any]:
    for holder in (feature, feature["properties"]):
        for key in CHILDREN:
            if isinstance(holder.get(key), list):
                found: list[Any] = holder[key]
                return found
    new: list[Any] = feature["properties"].setdefault(CHILDREN[0], [])
    return new


def _shifted(shape: BaseGeometry, offset: Offset) -> BaseGeometry:
    if offset == (0.0, 0.0) or shape.is_empty:
        return shape
    return shapely.transform(
        shape, lambda xyz: np.add(xyz, (*offset, 0.0)[: xyz.shape[1]]), include_z=shape.has_z
    )


def _shifted_raw(geometry: dict[str, Any], offset: Offset) -> dict[str, Any]:
    """A geometry that is only carried along."""
    if offset in {(0.0, 0.0), (-0.0, -0.0)}:
        return geometry
    moved = _listed(shapely.geometry.mapping(_shifted(shapely.geometry.shape(geometry), offset)))
    return {**geometry, **moved}


def _listed(value: Any) -> Any:
    """Lists for tuples, as JSON has them."""
    if isinstance(value, (tuple, list)):
        return [_listed(v) for v in value]
    return {k: _listed(v) for k, v in value.items()} if isinstance(value, dict) else value
