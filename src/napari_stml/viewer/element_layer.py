"""Further elements of a section as layers: transcripts coloured by gene, outlines, circles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.viewer.colours import palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_stml.io.contents import Element
    from napari_stml.viewer.frame import Frame

MOST_POINTS = 500_000
"""More transcripts are thinned evenly: the canvas cannot show a difference, the memory can."""

MOST_OUTLINES = 5_000
"""More outlines are shown by their centres: napari's Shapes take minutes for them."""

GENE_COLUMNS = ("gene", "feature_name", "target", "feature", "genes")


@dataclass(frozen=True)
class PointsPart:
    """What is drawn of a points element: positions, genes, how many there are in the file."""

    xy: NDArray[np.float64]
    codes: NDArray[np.intp]
    genes: tuple[str, ...]
    total: int


def read_points(element: Element, genes: Sequence[str] = ()) -> PointsPart:
    """Read the points of the named genes (or all, thinned) part by part, off the main thread."""
    frame: Any = element.load()
    column = next((c for c in GENE_COLUMNS if c in frame.columns), None)
    if genes and column is None:
        raise StmlError("These points carry no genes", where=element.name)
    wanted = ["x", "y"] + ([column] if column else [])
    positions: list[NDArray[np.float64]] = []
    names: list[NDArray[Any]] = []
    every = 1 if genes else max(1, -(-(element.count or 0) // MOST_POINTS))
    total = 0
    for part in frame[wanted].partitions if hasattr(frame, "partitions") else [frame[wanted]]:
        rows = part.compute() if hasattr(part, "compute") else part
        if genes:
            rows = rows[rows[column].isin(genes)]
        total += len(rows)
        rows = rows.iloc[::every]
        positions.append(rows[["x", "y"]].to_numpy(dtype=np.float64))
        names.append(rows[column].astype(str).to_numpy() if column else np.full(len(rows), ""))
    xy = np.concatenate(positions) if positions else np.empty((0, 2))
    known, codes = np.unique(np.concatenate(names or [np.array([""])]), return_inverse=True)
    if len(xy) > MOST_POINTS:
        step = -(-len(xy) // MOST_POINTS)
        xy, codes = xy[::step], codes[::step]
    return PointsPart(xy, codes[: len(xy)].astype(np.intp), tuple(map(str, known)), total)


def points_layer(element: Element, part: PointsPart, frame: Frame) -> Layer:
    """Draw points as small discs, one colour per gene."""
    from napari.layers import Points

    layer = Points(
        np.asarray(part.xy[:, ::-1], dtype=np.float32),
        size=3,
        face_color=palette(part.genes)[part.codes] if len(part.xy) else "white",
        border_width=0,
        name=element.name,
        canvas_size_limits=(2, 12),
        **frame.vector(element.affine),
    )
    layer.editable = False
    return layer


def shapes_layer(element: Element, outlines: Any, frame: Frame) -> Layer:
    """Draw outlines as polygons, circles and too many outlines as points."""
    import shapely
    from napari.layers import Points, Shapes

    geometry = np.asarray(outlines.geometry.values, dtype=object)
    place = frame.vector(element.affine)
    kinds = set(shapely.get_type_id(geometry).tolist())
    if kinds <= {0} or len(geometry) > MOST_OUTLINES:
        centres = shapely.centroid(geometry)
        yx = np.column_stack([shapely.get_y(centres), shapely.get_x(centres)])
        size = 2 * outlines["radius"].to_numpy() if "radius" in outlines else 8.0
        return Points(
            yx, size=size, face_color="#e69f0099", border_width=0, name=element.name, **place
        )
    rings = [
        shapely.get_coordinates(shapely.get_exterior_ring(part))[:, ::-1]
        for part in shapely.get_parts(geometry)
        if shapely.get_type_id(part) == 3
    ]
    return Shapes(
        rings,
        shape_type="polygon",
        face_color="#00000000",
        edge_color="#e69f00",
        edge_width=2,
        name=element.name,
        **place,
    )
