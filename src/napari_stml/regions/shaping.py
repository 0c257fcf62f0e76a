"""Operations on areas: cut, merge, subtract, holes, margins in um, inverse, split, simplify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from napari_stml.core.errors import StmlError
from napari_stml.regions.region import areas_of, sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from napari_stml.core.geometry import Box, UmPerPx

ROUND = 16
"""Corners per quarter circle of a margin: 0.1 % of its width off."""

ELLIPSE = 64


def merged(shapes: Sequence[BaseGeometry]) -> BaseGeometry:
    """One area of several."""
    return areas_of(shapely.union_all([sound(s) for s in shapes]))


def subtracted(shape: BaseGeometry, others: Sequence[BaseGeometry]) -> BaseGeometry:
    """The area without the others; empty where nothing is left."""
    return areas_of(shapely.difference(sound(shape), merged(others)))


def common(shapes: Sequence[BaseGeometry]) -> BaseGeometry:
    """What lies in all of them."""
    return areas_of(shapely.intersection_all([sound(s) for s in shapes]))


def cut(shape: BaseGeometry, line: BaseGeometry) -> tuple[BaseGeometry, ...]:
    """The pieces into which a line divides an area; the area alone where it does not."""
    whole = sound(shape)
    edges = shapely.union_all([whole.boundary, line])
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(edges)))
    inside = [f for f in faces if whole.contains(f.representative_point())]
    return tuple(inside) if len(inside) > len(shapely.get_parts(whole)) else (whole,)


def split(shape: BaseGeometry) -> tuple[BaseGeometry, ...]:
    """Separate pieces of one region."""
    return tuple(shapely.get_parts(sound(shape)).tolist())


def filled(shape: BaseGeometry, largest: float = np.inf) -> BaseGeometry:
    """Without holes (of at most this area in square pixels)."""
    pieces = []
    for piece in shapely.get_parts(sound(shape)):
        holes = [h for h in piece.interiors if shapely.Polygon(h).area > largest]
        pieces.append(shapely.Polygon(piece.exterior, holes))
    return areas_of(shapely.union_all(pieces))


def simplified(shape: BaseGeometry, tolerance_px: float) -> BaseGeometry:
    """With fewer corners, nowhere further off than the tolerance."""
    if shape.geom_type not in {"Polygon", "MultiPolygon"}:
        return shapely.simplify(shape, tolerance_px)
    return areas_of(sound(shapely.simplify(sound(shape), tolerance_px)))


def margin(shape: BaseGeometry, um: float, scale: UmPerPx) -> BaseGeometry:
    """Grown by so many um, or shrunk by a negative number; empty where nothing is left."""
    per = np.array([scale.x, scale.y])
    in_um = shapely.transform(sound(shape), lambda xy: xy * per)
    grown = shapely.buffer(in_um, um, quad_segs=ROUND)
    return areas_of(shapely.transform(grown, lambda xy: xy / per))


def ring(shape: BaseGeometry, inner_um: float, outer_um: float, scale: UmPerPx) -> BaseGeometry:
    """The band between two distances from the outline; negative ones lie inside."""
    low, high = sorted((inner_um, outer_um))
    if low == high:
        raise StmlError("A ring needs two different distances")
    return subtracted(margin(shape, high, scale), [margin(shape, low, scale)])


def inverse(shapes: Sequence[BaseGeometry], field: Box) -> BaseGeometry:
    """What of a field lies in none of them."""
    whole = shapely.box(field.x, field.y, field.x + field.width, field.y + field.height)
    return subtracted(whole, shapes) if shapes else whole


def rectangle(corners_xy: NDArray[np.float64]) -> BaseGeometry:
    """From the corners that a canvas gives, turned or not."""
    return shapely.Polygon(np.asarray(corners_xy, dtype=np.float64))


def ellipse(corners_xy: NDArray[np.float64], corners: int = ELLIPSE) -> BaseGeometry:
    """The ellipse within a rectangle of four corners, as a polygon."""
    box = np.asarray(corners_xy, dtype=np.float64)
    middle = box.mean(axis=0)
    a, b = (box[1] - box[0]) / 2, (box[3] - box[0]) / 2
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)[:, None]
    return shapely.Polygon(middle + np.cos(turn) * a + np.sin(turn) * b)


def dabbed(path_xy: NDArray[np.float64], radius: float) -> BaseGeometry:
    """The area that a round brush covers along a path."""
    path = np.atleast_2d(np.asarray(path_xy, dtype=np.float64))
    line = shapely.LineString(path) if len(path) > 1 else shapely.Point(path[0])
    return shapely.buffer(line, radius, quad_segs=12)


def stroke(path_xy: NDArray[np.float64], radius: float) -> BaseGeometry:
    """A brush stroke as a polygon without needless corners."""
    return simplified(dabbed(path_xy, radius), radius / 100)


def moved_corner(shape: BaseGeometry, index: int, xy: NDArray[np.float64]) -> BaseGeometry:
    """With one corner elsewhere; ``index`` counts along `shapely.get_coordinates`."""
    place = shapely.get_coordinates(shape)
    for same in same_corner(shape, index):
        place[same] = xy
    return shapely.set_coordinates(shapely.from_wkb(shapely.to_wkb(shape)), place)


def same_corner(shape: BaseGeometry, index: int) -> tuple[int, ...]:
    """The corner, and its double where a ring begins and ends in it."""
    start = 0
    for ring_ in rings_of(shape):
        end = start + len(ring_.coords)
        if start <= index < end:
            closed = ring_.geom_type == "LinearRing"
            if closed and index in (start, end - 1):
                return (start, end - 1)
            return (index,)
        start = end
    return (index,)


def rings_of(shape: BaseGeometry) -> list[BaseGeometry]:
    """Rings, lines or points in the order of `shapely.get_coordinates`."""
    found: list[BaseGeometry] = []
    for part in shapely.get_parts(shape):
        if part.geom_type == "Polygon":
            found += [part.exterior, *part.interiors]
        else:
            found.append(part)
    return found


def with_corner(shape: BaseGeometry, xy: NDArray[np.float64]) -> BaseGeometry:
    """With one corner more, on the edge that passes nearest to a place."""
    place = shapely.Point(*xy)
    rings = rings_of(shape)
    nearest = min(range(len(rings)), key=lambda i: rings[i].distance(place))
    coordinates = np.array(rings[nearest].coords)[:, :2]
    edges = shapely.linestrings(np.stack([coordinates[:-1], coordinates[1:]], axis=1))
    after = int(np.argmin(shapely.distance(edges, place))) + 1
    return _with_ring(shape, nearest, np.insert(coordinates, after, xy, axis=0))


def without_corner(shape: BaseGeometry, index: int) -> BaseGeometry:
    """With one corner less; a ring keeps three, a line two."""
    start = 0
    for number, ring_ in enumerate(rings_of(shape)):
        coordinates = np.array(ring_.coords)[:, :2]
        if start <= index < start + len(coordinates):
            closed = ring_.geom_type == "LinearRing"
            if len(coordinates) <= (4 if closed else 2):
                raise StmlError("No corner can be taken away here", do="delete the whole region")
            kept = np.delete(coordinates[:-1] if closed else coordinates,
                             (index - start) % (len(coordinates) - closed), axis=0)  # fmt: skip
            return _with_ring(shape, number, np.vstack([kept, kept[:1]]) if closed else kept)
        start += len(coordinates)
    return shape


def _with_ring(shape: BaseGeometry, number: int, xy: NDArray[np.float64]) -> BaseGeometry:
    """The same shape with one of its rings (or lines) replaced."""
    parts: list[Any] = []
    count = 0
    for part in shapely.get_parts(shape):
        if part.geom_type == "Polygon":
            rings = [np.array(r.coords) for r in (part.exterior, *part.interiors)]
            if count <= number < count + len(rings):
                rings[number - count] = xy
            parts.append(shapely.Polygon(rings[0], rings[1:]))
            count += len(rings)
        else:
            parts.append(shapely.LineString(xy) if count == number else part)
            count += 1
    many: dict[str, Any] = {
        "MultiPolygon": shapely.MultiPolygon,
        "MultiLineString": shapely.MultiLineString,
    }
    whole: BaseGeometry = many[shape.geom_type](parts) if shape.geom_type in many else parts[0]
    return whole
