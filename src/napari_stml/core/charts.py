"""Declarative charts: what is shown and what it is linked to, drawn elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

GAP = 0.22
"""Between small maps of a chart, in their widths."""

ChartKind = Literal["line", "bar", "matrix", "scatter", "network", "boxes", "violins"]
LinkKind = Literal["observations", "category", "gene", "region", "run"]


@dataclass(frozen=True)
class Link:
    """What a mark of the chart stands for, so that a click lights it up on the tissue.

    ``ids`` follow the chart's marks: names of observations, categories, genes, regions or
    Runs; ``value`` names the Run's value that the categories belong to.
    """

    kind: LinkKind
    ids: tuple[str, ...]
    value: str = ""


@dataclass(frozen=True)
class Axis:
    """One axis of a chart."""

    title: str
    unit: str = ""
    log: bool = False


@dataclass(frozen=True)
class Chart:
    """One chart; ``data`` is plain JSON: columns of equal length, or rows of a matrix."""

    name: str
    chart: ChartKind
    title: str
    x: Axis
    y: Axis
    data: Mapping[str, Any]
    links: tuple[Link, ...] = ()
    notes: tuple[str, ...] = field(default=())


def tile_places(
    x: NDArray[np.float64], y: NDArray[np.float64], count: int
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
    """Positions of the marks in each of ``count`` small maps, laid out in rows from the top left.

    Every map is as wide as 1 and keeps its proportions.
    """
    import numpy as np

    x, y = x - np.nanmin(x), y - np.nanmax(y)
    size = max(float(np.nanmax(x)), 1e-9)
    x, y = x / size, y / size
    across = min(count, 4)
    height = float(-np.nanmin(y)) + GAP
    return tuple(
        (x + (i % across) * (1 + GAP / 2), y - (i // across) * height) for i in range(count)
    )
