"""Affine maps in the JSON of SpatialData's elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine

if TYPE_CHECKING:
    from collections.abc import Sequence


def encode(affine: Affine, axes: Sequence[str], coordinate_system: str) -> dict[str, Any]:
    """One entry of ``coordinateTransformations``; axes other than x and y stay as they are."""
    described = [
        {"name": a, "type": "channel"} if a == "c" else {"name": a, "type": "space", "unit": "unit"}
        for a in axes
    ]
    ends: dict[str, Any] = {
        "input": {"name": "".join(axes), "axes": described},
        "output": {"name": coordinate_system, "axes": described},
    }
    if affine == Affine():
        return {"type": "identity", **ends}
    a, b, tx, d, e, ty = affine.values
    of = {"x": {"x": a, "y": b, "": tx}, "y": {"x": d, "y": e, "": ty}}
    rows = [[of.get(out, {out: 1.0}).get(into, 0.0) for into in (*axes, "")] for out in axes]
    return {"type": "affine", "affine": rows, **ends}


def with_transformation(
    node: dict[str, Any], affine: Affine, coordinate_system: str
) -> dict[str, Any]:
    """An element's metadata with its map to one coordinate system replaced or added."""
    attributes = node.get("attributes", {})
    ome = attributes.get("ome")
    if isinstance(ome, dict) and "multiscales" in ome:
        holder = ome["multiscales"][0]
        axes = [axis["name"] for axis in holder["axes"]]
    elif "coordinateTransformations" in attributes:
        holder = attributes
        axes = list(attributes["axes"])
    else:
        raise CannotOpenError("This element has no coordinate transformations")
    others = [
        t
        for t in holder.get("coordinateTransformations", [])
        if t.get("output", {}).get("name") != coordinate_system
    ]
    holder["coordinateTransformations"] = [*others, encode(affine, axes, coordinate_system)]
    return node
