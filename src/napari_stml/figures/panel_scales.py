"""Which panels of a figure have one colour scale, and the legend they share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.colours import ColourScale, limits
from napari_stml.core.errors import StmlError
from napari_stml.figures import legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_stml.figures.legend import Plan
    from napari_stml.figures.sheet import Sheet
    from napari_stml.figures.tissue import Print
    from napari_stml.figures.values import Shown
    from napari_stml.io.section import Section

Scales = Literal["auto", "shared", "own"]


@dataclass
class Cell:
    section: Section
    sheet: Sheet
    title: str
    plan: Plan | None = None

    @property
    def wide(self) -> float:
        """Of the map, in µm where they are known, else in pixels."""
        scale = self.section.um_per_px
        return self.sheet.part.box.width * (scale.x if scale else 1.0)

    @property
    def high(self) -> float:
        scale = self.section.um_per_px
        return self.sheet.part.box.height * (scale.y if scale else 1.0)

    @property
    def word(self) -> str:
        """The value without the Run or the matrix that it is from."""
        shown = self.sheet.shown
        return shown.name.rpartition("/")[2].rpartition(":")[2] if shown is not None else ""

    @property
    def is_gene(self) -> bool:
        shown = self.sheet.shown
        return shown is not None and any(
            shown.name in t.var_names for t in self.section.tables.values()
        )


def share(cells: list[Cell], scales: Scales, *, given: bool = False) -> bool:
    """Give cells one scale, where that is wanted and makes sense; whether one legend does.

    ``auto``: genes with genes, a value with the same value of another section or Run, classes
    whose colours agree. Where only some go together, these have equal limits and legends each.
    Limits that were ``given`` stay, and have one legend where they are equal.
    """
    some = [c for c in cells if c.sheet.shown is not None]
    shown = [c.sheet.shown for c in some if c.sheet.shown is not None]
    if scales == "own" or len(shown) < 2:
        return False
    numeric = [s for s in shown if s.scale is not None]
    if len(numeric) == len(shown):
        alike = all(c.is_gene for c in some) or len({c.word for c in some}) == 1
        together = len({s.scale for s in numeric}) == 1 if given else alike
        if scales == "shared" or together:
            if len({s.scale.name for s in numeric if s.scale is not None}) == 1:
                _one_scale(some, given=given)
                return True
            if scales == "shared":
                raise StmlError("Values about zero and others cannot share one scale",
                                do="draw them with own scales")  # fmt: skip
    elif not numeric and _one_colour_each(shown):
        return True
    elif scales == "shared":
        raise StmlError(
            "These values cannot share one scale", where=", ".join(s.name for s in shown),
            do="numbers go with numbers, classes with classes of the same names; or own scales",
        )  # fmt: skip
    for group in () if given else _same_values(some):
        _one_scale(group)
    return False


def _same_values(cells: list[Cell]) -> list[list[Cell]]:
    """Numbers of one name and one colour map."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        shown = cell.sheet.shown
        if shown is not None and shown.scale is not None:
            groups.setdefault((cell.word, shown.scale.name), []).append(cell)
    return [group for group in groups.values() if len(group) > 1]


def _one_scale(cells: list[Cell], *, given: bool = False) -> None:
    first = cells[0].sheet.shown
    assert first is not None
    assert first.scale is not None
    low, high = first.scale.low, first.scale.high
    if not given:
        low, high = limits(np.concatenate([_drawn(c) for c in cells]))
        if first.scale.name == "RdBu_r":
            high = max(abs(low), abs(high))
            low = -high
    for cell in cells:
        assert cell.sheet.shown is not None
        scale = ColourScale(first.scale.name, low, high)
        cell.sheet.shown = replace(cell.sheet.shown, scale=scale)


def _drawn(cell: Cell) -> Any:
    """The numbers that are seen in a panel."""
    shown, rows = cell.sheet.shown, cell.sheet.rows
    assert shown is not None
    assert shown.numbers is not None
    numbers = shown.numbers if rows is None else shown.numbers[rows]
    return numbers[np.isfinite(numbers)]


def _one_colour_each(shown: Sequence[Shown]) -> bool:
    """Whether a class has the same colour in all panels."""
    known: dict[str, tuple[float, ...]] = {}
    for s in shown:
        assert s.colours is not None
        for name, colour in zip(s.names, s.colours, strict=False):
            ink = tuple(round(float(v), 3) for v in colour)
            if known.setdefault(name, ink) != ink:
                return False
    return len({s.title for s in shown}) == 1


def common_plan(cells: list[Cell], how: Print, room: float) -> Plan | None:
    """One legend for all panels: every class that is seen somewhere, all missing values."""
    some = [c for c in cells if c.sheet.shown is not None]
    first = some[0].sheet.shown
    assert first is not None
    missing = sum(_missing(c) for c in some)
    if first.scale is not None:
        numbers = np.concatenate([_drawn(c) for c in some])
        titles = {c.sheet.shown.title for c in some if c.sheet.shown is not None}
        title = titles.pop() if len(titles) == 1 else "value"
        shown = replace(first, numbers=numbers, title=title)
        return legend.plan(shown, numbers, missing, how.width_mm, room, room)
    names: dict[str, Any] = {}
    present: set[str] = set()
    for cell in some:
        shown_here = cell.sheet.shown
        assert shown_here is not None
        assert shown_here.codes is not None
        assert shown_here.colours is not None
        names |= dict(zip(shown_here.names, shown_here.colours, strict=False))
        rows = cell.sheet.rows
        codes = shown_here.codes if rows is None else shown_here.codes[rows]
        present |= {shown_here.names[i] for i in np.unique(codes) if i >= 0}
    colours = np.vstack([*names.values(), first.colours[-1:]])  # type: ignore[index]
    union = replace(first, names=tuple(names), colours=colours)
    there = np.array([i for i, name in enumerate(names) if name in present], dtype=np.intp)
    return legend.plan(union, there, missing, how.width_mm, room, room)


def _missing(cell: Cell) -> int:
    shown, rows = cell.sheet.shown, cell.sheet.rows
    return 0 if shown is None or rows is None else int(shown.missing[rows].sum())
