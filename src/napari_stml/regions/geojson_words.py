"""How QuPath says the properties of an object, in all versions since 0.1, and how we say them."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_stml.regions.region import Drawn

DESCRIPTION = "ANNOTATION_DESCRIPTION"
"""QuPath's key for the text of an annotation."""

OURS = {"author": "stml.author", "made": "stml.made", "changed": "stml.changed"}
FORM, HIDDEN = "stml.form", "stml.hidden"
_LINES = {
    "LineString": "line",
    "MultiLineString": "line",
    "Point": "points",
    "MultiPoint": "points",
}
_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def said_by(feature: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a region as a feature states them."""
    properties = feature.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    geometry = feature.get("geometry")
    geometry = geometry if isinstance(geometry, dict) else {}
    metadata = properties.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    form = str(metadata.get(FORM, "")) or _LINES.get(str(geometry.get("type")), "polygon")
    if geometry.get("isEllipse"):
        form = "ellipse"
    return {
        "kind": _class_name(properties.get("classification")),
        "name": _text(properties.get("name")),
        "notes": _text(metadata.get(DESCRIPTION)),
        **{ours: _text(metadata.get(key)) for ours, key in OURS.items()},
        "locked": properties.get("isLocked") is True,
        "hidden": metadata.get(HIDDEN) == "true",
        "parent": _text(properties.get("parentId")),
        "colour": _colour(properties.get("color")),
        "form": form,
        "measurements": _measurements(properties.get("measurements")),
    }


def say(feature: dict[str, Any], region: Drawn, said: Mapping[str, Any], class_colour: str) -> None:
    """Write into a feature what it does not say already; ``class_colour`` when it changed."""
    properties: dict[str, Any] = feature["properties"]
    for name in ("name", "colour", "locked", "kind", "measurements"):
        value = getattr(region, name)
        if not _same(value, said[name]):
            _SAY[name](properties, value)
    if class_colour and isinstance(properties.get("classification"), dict):
        properties["classification"].pop("colorRGB", None)
        properties["classification"]["color"] = _rgb(class_colour)
    if region.form != said["form"]:
        if isinstance(feature.get("geometry"), dict):
            feature["geometry"].pop("isEllipse", None)
            if region.form == "ellipse":
                feature["geometry"]["isEllipse"] = True
        _note(properties, FORM, region.form if region.form == "rectangle" else "")
    if region.notes != said["notes"]:
        _note(properties, DESCRIPTION, region.notes)
    for ours, key in OURS.items():
        if getattr(region, ours) != said[ours]:
            _note(properties, key, getattr(region, ours))
    if region.hidden != said["hidden"]:
        _note(properties, HIDDEN, "true" if region.hidden else "")
    if not region.parent:
        properties.pop("parentId", None)


def class_colour(properties: Any) -> str:
    """#rrggbb that a feature gives its class, "" for none."""
    classification = properties.get("classification") if isinstance(properties, dict) else None
    if not isinstance(classification, dict):
        return ""
    return _colour(classification.get("color")) or _colour_of_int(classification.get("colorRGB"))


def _class_name(classification: Any) -> str:
    """QuPath derives classes: names ["Tumor", "Positive"] are the class "Tumor: Positive"."""
    if isinstance(classification, str):
        return classification
    if not isinstance(classification, dict):
        return ""
    names = classification.get("names")
    if isinstance(names, list) and names:
        return ": ".join(map(str, names))
    return _text(classification.get("name"))


def _say_class(properties: dict[str, Any], kind: str) -> None:
    if not kind:
        properties.pop("classification", None)
        return
    properties["classification"] = {"name": kind}


def _say_colour(properties: dict[str, Any], colour: str) -> None:
    _put(properties, "color", _rgb(colour) if colour else None)


def _say_measurements(properties: dict[str, Any], values: Mapping[str, float]) -> None:
    def plain(value: float) -> Any:
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"

    _put(properties, "measurements", {k: plain(float(v)) for k, v in values.items()} or None)


def _put(properties: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        properties.pop(key, None)
    else:
        properties[key] = value


_SAY: dict[str, Callable[[dict[str, Any], Any], None]] = {
    "name": lambda p, v: _put(p, "name", v or None),
    "colour": _say_colour,
    "locked": lambda p, v: _put(p, "isLocked", True if v else None),
    "kind": _say_class,
    "measurements": _say_measurements,
}


def _note(properties: dict[str, Any], key: str, text: str) -> None:
    metadata = properties.get("metadata")
    metadata = dict(metadata) if isinstance(metadata, dict) else {}
    _put(metadata, key, text or None)
    _put(properties, "metadata", metadata or None)


def _measurements(found: Any) -> dict[str, float]:
    """A map, or the older list of names with values; what is no number is only carried along."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(found, dict):
        pairs = list(found.items())
    elif isinstance(found, list):
        pairs = [(m.get("name"), m.get("value")) for m in found if isinstance(m, dict)]
    values = {str(name): _number(value) for name, value in pairs if name is not None}
    return {name: value for name, value in values.items() if value is not None}


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return _FLOATS.get(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _same(a: Any, b: Any) -> bool:
    """Equal, where not-a-number equals itself."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    both_nan = isinstance(a, float) and isinstance(b, float) and a != a and b != b
    return bool(a == b) or both_nan


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _colour(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return _colour_of_int(value)
    if isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value):
        return value.lower()
    if not isinstance(value, list) or len(value) < 3:
        return ""
    good = all(isinstance(v, int) and 0 <= v <= 255 for v in value[:3])
    return "#" + "".join(f"{v:02x}" for v in value[:3]) if good else ""


def _colour_of_int(value: Any) -> str:
    """Java's packed colour, signed, as QuPath 0.2 wrote it."""
    if not isinstance(value, int) or isinstance(value, bool):
        return ""
    return f"#{value & 0xFFFFFF:06x}"


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
