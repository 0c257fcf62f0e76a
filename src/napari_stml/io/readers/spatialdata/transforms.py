"""SpatialData's coordinate transformations as affine maps of the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

PLANE = ("x", "y")


def transformations(encoded: Sequence[Mapping[str, Any]], where: str) -> dict[str, Affine]:
    """Read the maps of an element, by the name of the coordinate system they lead to.

    Only the x and y parts are kept: channels and z never mix with the plane.
    """
    found: dict[str, Affine] = {}
    for step in encoded:
        name = (step.get("output") or {}).get("name")
        if name is not None:
            try:
                found[str(name)] = Affine.of(_matrix(step, PLANE))
            except (KeyError, ValueError, TypeError, IndexError) as error:
                raise CannotOpenError(
                    f"The transformation to '{name}' cannot be understood: {error}",
                    where=where,
                    do="write the element again with a current SpatialData",
                ) from error
    return found


def _matrix(step: Mapping[str, Any], axes: Sequence[str]) -> NDArray[np.float64]:
    """Give the 3 x 3 matrix over (x, y); ``axes`` are those of the input where none are stated."""
    kind = step["type"]
    into = _axes(step, "input", axes)
    out = _axes(step, "output", into)
    if kind == "identity":
        return np.eye(3)
    if kind == "sequence":
        matrix = np.eye(3)
        for part in step["transformations"]:
            matrix = _matrix(part, into) @ matrix
            into = _axes(part, "output", into)
        return matrix
    if kind == "scale":
        by_axis = dict(zip(into, step["scale"], strict=True))
        return np.diag([float(by_axis["x"]), float(by_axis["y"]), 1.0])
    if kind == "translation":
        by_axis = dict(zip(into, step["translation"], strict=True))
        matrix = np.eye(3)
        matrix[:2, 2] = float(by_axis["x"]), float(by_axis["y"])
        return matrix
    if kind == "mapAxis":
        matrix = np.zeros((3, 3))
        matrix[2, 2] = 1.0
        for row, axis in enumerate(PLANE):
            matrix[row, PLANE.index(step["mapAxis"][axis])] = 1.0
        return matrix
    if kind in {"affine", "rotation"}:
        full = np.asarray(step[kind], dtype=np.float64)
        matrix = np.eye(3)
        for row, target in enumerate(PLANE):
            line = full[out.index(target)]
            matrix[row, :2] = [line[into.index(axis)] for axis in PLANE]
            matrix[row, 2] = line[len(into)] if kind == "affine" else 0.0
        return matrix
    raise ValueError(f"unknown kind '{kind}'")


def _axes(step: Mapping[str, Any], side: str, default: Sequence[str]) -> list[str]:
    system = step.get(side) or {}
    return [str(axis["name"]) for axis in system.get("axes", ())] or list(default)
