"""Charts of the analyses, in one convention for their ``data``.

line, bar, scatter
    Columns of equal length; the first is x, each further one a series named by its key.
scatter of stored values
    ``x`` and ``y`` (and ``colour``) name a value of the same Run and, for a matrix, its column:
    ``{"value": "X_umap", "column": 0}``. All observations are marks, in the section's order, so
    that half a million points need no copy in the record.
matrix
    ``rows``, ``columns``, ``values`` (rows of numbers, None where missing) and, for a dot plot,
    ``size`` of the same shape between 0 and 1.
boxes
    ``label``, ``low``, ``q1``, ``median``, ``q3``, ``high``; with ``panel`` one row of boxes for
    each of its values.
violins
    As boxes, and ``density``: for each of them its widths, 1 the widest, at evenly spaced heights
    from ``bottom`` to ``top``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.charts import Axis, Chart, Link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

MOST_BYTES = 95_000
"""A chart lives in the Run's record, which takes up to 100 kB of each."""


def numbers(values: NDArray[Any]) -> list[Any]:
    """Plain numbers of four digits; missing ones are None."""
    flat = np.asarray(values)
    if flat.ndim > 1:
        return [numbers(row) for row in flat]
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in flat.tolist()]


def histogram(name: str, title: str, x: Axis, values: NDArray[Any], bins: int = 40) -> Chart:
    """Count the finite values; on a log axis the bins are log1p wide."""
    known = values[np.isfinite(values)]
    scaled = np.log1p(known) if x.log else known
    counts, edges = np.histogram(scaled, bins=bins)
    middle = (edges[1:] + edges[:-1]) / 2
    data = {x.title: numbers(np.expm1(middle) if x.log else middle), "spots": counts.tolist()}
    return Chart(name, "bar", title, x, Axis("spots"), data)


def sizes(name: str, title: str, value: str, categories: Sequence[str], codes: Any) -> Chart:
    """Count the spots of every category, linked to the labels of that name."""
    found = np.asarray(codes)
    counts = np.bincount(found[found >= 0], minlength=len(categories))
    data = {value: list(categories), "spots": counts.tolist()}
    link = Link("category", tuple(categories), value=value)
    return Chart(name, "bar", title, Axis(value), Axis("spots"), data, (link,))


def of_stored(
    name: str, title: str, x: tuple[Axis, str, int | None], y: tuple[Axis, str, int | None],
    colour: str = "",
) -> Chart:  # fmt: skip
    """Scatter two stored values against each other; every mark is an observation."""
    data: dict[str, Any] = {"x": _stored(*x[1:]), "y": _stored(*y[1:])}
    if colour:
        data["colour"] = _stored(colour, None)
    return Chart(name, "scatter", title, x[0], y[0], data, (Link("observations", ()),))


def table_of(
    name: str, title: str, rows: tuple[str, Sequence[str]], columns: tuple[str, Sequence[str]],
    values: NDArray[Any], links: tuple[Link, ...] = (), size: NDArray[Any] | None = None,
    notes: tuple[str, ...] = (),
) -> Chart:  # fmt: skip
    """Matrix with named rows and columns: a heat map, with ``size`` a dot plot."""
    data: dict[str, Any] = {
        "rows": list(rows[1]),
        "columns": list(columns[1]),
        "values": numbers(values),
    }
    if size is not None:
        data["size"] = numbers(size)
    return Chart(name, "matrix", title, Axis(columns[0]), Axis(rows[0]), data, links, notes)


def five_numbers(values: NDArray[Any]) -> Mapping[str, float]:
    """Low, quartiles and high of a box: the 5th and 95th percentile are its whiskers."""
    cuts = np.percentile(values, [5, 25, 50, 75, 95]) if len(values) else np.full(5, np.nan)
    return dict(zip(("low", "q1", "median", "q3", "high"), numbers(cuts), strict=True))


def boxes(name: str, title: str, x: Axis, y: Axis, groups: Sequence[Mapping[str, Any]],
          links: tuple[Link, ...] = ()) -> Chart:  # fmt: skip
    """Boxes from one mapping each (``label``, the five numbers, perhaps ``panel``)."""
    data = {key: [group[key] for group in groups] for key in groups[0]}
    return Chart(name, "boxes", title, x, y, data, links)


HEIGHTS = 24
"""Steps of a violin."""


def violin_of(values: NDArray[Any]) -> Mapping[str, Any]:
    """The five numbers, and how dense the values are between their 1st and 99th percentile."""
    empty = {"bottom": None, "top": None, "density": [None] * HEIGHTS}
    if not len(values):
        return {**five_numbers(values), **empty}
    bottom, top = np.percentile(values, [1, 99])
    if not top - bottom > 1e-6 * max(abs(top), abs(bottom)):  # rounding is no spread
        return {**five_numbers(values), **empty, "bottom": float(bottom), "top": float(top)}
    counts, _ = np.histogram(values, bins=HEIGHTS, range=(float(bottom), float(top)))
    kernel = np.array([0.06, 0.24, 0.4, 0.24, 0.06])
    edges = np.convolve(np.ones(HEIGHTS), kernel, "same")
    smooth = np.convolve(counts, kernel, "same") / edges
    ends = {"bottom": numbers(np.array([bottom]))[0], "top": numbers(np.array([top]))[0]}
    density = [round(float(v), 2) for v in smooth / smooth.max()]
    return {**five_numbers(values), **ends, "density": density}


def violins(name: str, title: str, x: Axis, y: Axis, groups: Sequence[Mapping[str, Any]],
            links: tuple[Link, ...] = ()) -> Chart:  # fmt: skip
    """Violins with their boxes, from `violin_of` and a ``label`` each, perhaps a ``panel``."""
    data = {key: [group[key] for group in groups] for key in groups[0]}
    return Chart(name, "violins", title, x, y, data, links)


def fitting(charts: Sequence[Chart]) -> tuple[tuple[Chart, ...], tuple[str, ...]]:
    """Leave out charts that are too large for a Run's record, and say so."""
    kept = tuple(c for c in charts if len(json.dumps(asdict(c))) <= MOST_BYTES)
    lost = [c.name for c in charts if c not in kept]
    return kept, (f"too large to be kept: {', '.join(lost)}",) if lost else ()


def _stored(value: str, column: int | None) -> dict[str, Any]:
    return {"value": value} if column is None else {"value": value, "column": column}
