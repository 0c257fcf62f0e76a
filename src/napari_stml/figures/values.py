"""What a figure shows: a column, a gene, a value of a stored Run - with its colours."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.categories import CategoryStyle
from napari_stml.core.colours import ColourScale, limits
from napari_stml.core.errors import StmlError
from napari_stml.core.results import Labels, Matrix, Values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.core.colours import RGBA
    from napari_stml.core.results import Part
    from napari_stml.core.run_record import RunRecord
    from napari_stml.io.section import Section

PER_VALUE = (Labels, Values, Matrix)


@dataclass(frozen=True)
class Shown:
    """Values of all observations and how they are coloured.

    Attributes
    ----------
    title
        Of legend or colour bar, with the unit.
    numbers, scale
        Of a continuous one.
    codes, names, colours
        Of a categorical one: -1 is missing, the last row of ``colours`` is its colour.
    record
        The Run that left it.
    off
        Observations that are not drawn (classes switched off, values beyond a threshold).
    """

    name: str
    title: str
    numbers: NDArray[np.float64] | None = None
    scale: ColourScale | None = None
    codes: NDArray[np.intp] | None = None
    names: tuple[str, ...] = ()
    colours: RGBA | None = None
    record: RunRecord | None = None
    off: NDArray[np.bool_] | None = None

    @property
    def missing(self) -> NDArray[np.bool_]:
        if self.codes is not None:
            return np.asarray(self.codes < 0)
        assert self.numbers is not None
        return ~np.isfinite(self.numbers)

    @property
    def rgba(self) -> RGBA:
        """The colour of every observation, (n, 4); what is off is transparent."""
        if self.codes is not None:
            assert self.colours is not None
            colours = self.colours[self.codes]
        else:
            assert self.numbers is not None
            assert self.scale is not None
            colours = self.scale(self.numbers)
        if self.off is not None:
            colours[self.off, 3] = 0.0
        return colours

    def with_limits(self, low: float, high: float, *, percentiles: bool = False) -> Shown:
        if self.numbers is None or self.scale is None:
            raise StmlError("Classes have no colour limits", where=self.name)
        a, b = limits(self.numbers, low, high) if percentiles else (low, high)
        if not a < b:
            raise StmlError("The lower colour limit must be below the upper one", where=self.name)
        return replace(self, scale=ColourScale(self.scale.name, a, b))


def shown_value(
    section: Section, name: str, *, colour_map: str = "", layer: str | None = None
) -> Shown:
    """Find a value by its name and decide its colours.

    ``name`` is a column, a gene, ``<run id>/<value>``, or ``<matrix>:<column>`` of an embedding
    or of a Run's matrix. Names and colours that the user gave to categories hold here too.
    """
    run, _, rest = name.partition("/")
    if section.shelf is not None and run in section.shelf.records and layer is None:
        return _of_run(section, run, rest, colour_map)
    key, _, column = name.rpartition(":")
    if key and name not in section.columns() and _has_obsm(section, key):
        table = next(t for t in section.tables.values() if key in t.obsm_keys)
        at = _column(column, table.obsm_names(key), name)
        return numeric(name, name, section.obsm(key)[:, at], colour_map)
    series: Any = section.values(name, layer=layer)
    kind = series.dtype
    if hasattr(kind, "categories"):
        return classes(section, name, np.asarray(series.cat.codes), list(series.cat.categories))
    if kind.kind == "b":
        return classes(section, name, np.asarray(series, dtype=np.intp), ["no", "yes"])
    title = f"{name}, {layer}" if layer else name
    return numeric(name, title, np.asarray(series, dtype=np.float64), colour_map)


def _of_run(section: Section, run: str, rest: str, colour_map: str) -> Shown:
    shelf = section.shelf
    assert shelf is not None
    record = shelf.records[run]
    name, _, column = rest.rpartition(":")
    known = {entry.name for entry in shelf.entries(run)}
    if rest in known or not name:
        name, column = rest, ""
    shown = of_part(section, f"{run}/{name}", shelf.part(run, name), column, colour_map)
    return replace(shown, record=record)


def of_part(section: Section, name: str, part: Part, column: str, colour_map: str) -> Shown:
    """Colours for one value per observation of a Run."""
    if isinstance(part, Labels):
        return classes(section, name, part.codes, part.categories, part.colours)
    if isinstance(part, Values):
        title = f"{part.name} ({part.unit})" if part.unit else part.name
        return numeric(name, title, part.values, colour_map, part.scale)
    if isinstance(part, Matrix):
        at = _column(column, part.columns, name)
        values: Any = part.values
        one = values[:, at]
        flat = one.toarray().ravel() if hasattr(one, "toarray") else one
        title = part.columns[at] if part.columns else f"{part.name}:{at}"
        return numeric(f"{name}:{title}", title, np.asarray(flat, dtype=np.float64), colour_map)
    raise StmlError(
        f"{type(part).__name__} values are not one per observation", where=name,
        do="choose another value of this Run",
    )  # fmt: skip


def numeric(
    name: str, title: str, values: NDArray[Any], colour_map: str = "", scale: str = "sequential"
) -> Shown:
    """Numbers: 1st to 99th percentile; diverging ones about 0, p-values as their logarithm."""
    numbers = np.asarray(values, dtype=np.float64)
    if scale == "p-value":
        there = numbers[numbers > 0]
        smallest = float(there.min()) if there.size else 1.0
        with np.errstate(divide="ignore"):
            numbers = -np.log10(np.maximum(numbers, smallest))
        title = f"−log10 {title}"
    low, high = limits(numbers)
    if scale == "diverging":
        high = max(abs(low), abs(high))
        low = -high
    chosen = colour_map or ("RdBu_r" if scale == "diverging" else "viridis")
    colours = ColourScale(chosen, low, high)
    _ = colours.table  # an unknown map is refused here
    return Shown(name, title, numbers, colours)


def classes(
    section: Section, name: str, codes: Any, names: Sequence[Any], colours: Sequence[str] = ()
) -> Shown:
    """Categories in the colours of the analysis, the user's choice before all."""
    texts = [str(n) for n in names]
    style = stored_style(section, name)
    if colours:
        given = {style.named.get(n, n): c for n, c in zip(texts, colours, strict=False)}
        style = replace(style, colours={**given, **style.colours})
    drawn = style.applied(np.asarray(codes, dtype=np.intp), texts)
    run, _, rest = name.partition("/")
    stored = section.shelf is not None and run in section.shelf.records
    title = rest if stored else name  # a column may have a slash in its name
    return Shown(name, title, codes=drawn.codes, names=drawn.names, colours=drawn.colours)


def stored_style(section: Section, column: str) -> CategoryStyle:
    """What the user made of a column's categories in the window."""
    if section.shelf is None:
        return CategoryStyle()
    attributes = json.loads((section.shelf.store / "zarr.json").read_text()).get("attributes", {})
    styling = attributes.get("stml", {}).get("styling", {})
    columns = styling.get("columns", {}) if isinstance(styling, dict) else {}
    return CategoryStyle.of(columns.get(column))


def _has_obsm(section: Section, key: str) -> bool:
    return any(key in table.obsm_keys for table in section.tables.values())


def _column(column: str, names: Sequence[str], where: str) -> int:
    if column in names:
        return list(names).index(column)
    if column.isdecimal() and int(column) < max(1, len(names)):
        return int(column)
    few = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    raise StmlError(
        "A matrix is shown by one of its columns", where=where,
        do=f"write NAME:COLUMN with one of {few}",
    )  # fmt: skip
