"""What observations are coloured by: the values, how they are drawn, and their words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.categories import Categories, CategoryStyle
from napari_stml.viewer.colours import ColourScale, limits
from napari_stml.viewer.paint import Threshold, by_category, by_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_stml.viewer.paint import Paint


@dataclass(frozen=True, eq=False)
class Shown:
    """Values of all observations and how they are drawn; changes give a new one.

    Attributes
    ----------
    name
        The title: column, gene, or several genes.
    numbers, scale, threshold
        Of a continuous one.
    drawn, stored_codes, stored
        Of a categorical one: what is drawn, and codes and categories as they are stored.
    hidden
        Drawn categories switched off in the legend.
    alone
        The one category that is shown, when it is shown alone.
    percentiles
        From which the limits were taken; None where they were given.
    unit
        What numbers are counted in; those of one unit can share a scale.
    """

    name: str
    numbers: NDArray[np.float32] | None = None
    scale: ColourScale | None = None
    threshold: Threshold = field(default_factory=Threshold)
    drawn: Categories | None = None
    stored_codes: NDArray[np.intp] | None = None
    stored: tuple[str, ...] = ()
    hidden: frozenset[int] = frozenset()
    alone: int | None = None
    percentiles: tuple[float, float] | None = (1.0, 99.0)
    unit: str = ""

    @property
    def categories(self) -> tuple[str, ...]:
        return self.drawn.names if self.drawn is not None else ()

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(self.drawn.counts.tolist()) if self.drawn is not None else ()

    @property
    def missing(self) -> int:
        if self.drawn is not None:
            return self.drawn.missing
        return 0 if self.numbers is None else int((~np.isfinite(self.numbers)).sum())

    @property
    def off(self) -> frozenset[int]:
        """Drawn categories that are not visible now."""
        if self.alone is not None:
            return frozenset(range(len(self.categories))) - {self.alone}
        return self.hidden

    def paint(self) -> Paint:
        if self.drawn is not None:
            return by_category(self.drawn.codes, self.drawn.colours, self.off)
        if self.numbers is None or self.scale is None:
            raise ValueError("nothing is shown")
        return by_value(self.numbers, self.scale, self.threshold)

    def text(self, i: int) -> str:
        """The value of one observation in words."""
        if self.drawn is not None:
            code = self.drawn.codes[i]
            return self.drawn.names[code] if code >= 0 else "no value"
        value = float(self.numbers[i]) if self.numbers is not None else np.nan
        return f"{value:.4g}" if np.isfinite(value) else "no value"

    def with_limits(self, low: float, high: float, *, percentiles: bool = False) -> Shown:
        """Other limits of the colours, as values or as percentiles of what is there."""
        if self.numbers is None or self.scale is None:
            return self
        a, b = limits(self.numbers, low, high) if percentiles else (low, high)
        scale = ColourScale(self.scale.name, a, b)
        return replace(self, scale=scale, percentiles=(low, high) if percentiles else None)

    def comparable(self, other: Shown) -> bool:
        """Whether the same colour may mean the same number in both."""
        if self.scale is None or other.scale is None or not self.unit:
            return False
        diverging = {s.scale.name == DIVERGING for s in (self, other) if s.scale is not None}
        return self.unit == other.unit and len(diverging) == 1

    def joined(self, other: Shown) -> Shown:
        """The same values with limits that hold for both."""
        if self.scale is None or other.scale is None or not self.comparable(other):
            return self
        low, high = min(self.scale.low, other.scale.low), max(self.scale.high, other.scale.high)
        return replace(self, scale=ColourScale(self.scale.name, low, high))

    def alone_again(self) -> Shown:
        """With limits of its own, unless they were given."""
        if self.percentiles is None:
            return self
        return self.with_limits(*self.percentiles, percentiles=True)

    def with_style(self, style: CategoryStyle) -> Shown:
        """The same column after a rename, merge, split or recolour; what was hidden stays so."""
        if self.stored_codes is None or self.drawn is None:
            return self
        before = self.drawn.origin
        drawn = style.applied(self.stored_codes, self.stored)
        hidden = frozenset(
            new for old, new in zip(before, drawn.origin, strict=False) if old in self.hidden
        )
        return replace(self, drawn=drawn, hidden=hidden, alone=None)

    def stepped(self, step: int) -> Shown:
        """Only the next (or the last) category that has observations; 0 shows all again."""
        there = [i for i, count in enumerate(self.counts) if count]
        if not there or not step:
            return replace(self, alone=None)
        if self.alone is None:
            return replace(self, alone=there[0] if step > 0 else there[-1])
        at = there.index(self.alone) if self.alone in there else 0
        return replace(self, alone=there[(at + step) % len(there)])


DIVERGING = "RdBu_r"
"""For values with a meaning of zero, such as a difference."""


def shown_of(
    name: str,
    values: Any,
    *,
    style: CategoryStyle | None = None,
    colour_map: str = "viridis",
    colour_limits: tuple[float, float] | None = None,
) -> Shown:
    """From a pandas Series (categories) or numbers; in any thread."""
    kind = getattr(values, "dtype", None)
    if _is_categorical(kind):
        codes = np.asarray(values.cat.codes, dtype=np.intp)
        return of_codes(name, codes, [str(c) for c in values.cat.categories], style)
    if getattr(kind, "kind", "") == "b":
        codes = np.asarray(values, dtype=np.intp)
        return of_codes(name, codes, ("no", "yes"), style)
    numbers = np.asarray(values, dtype=np.float32)
    low, high = colour_limits or limits(numbers)
    said = getattr(values, "attrs", {})
    if said.get("scale") == "diverging" and not colour_limits:
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
        colour_map = DIVERGING
    return Shown(
        name, numbers, ColourScale(colour_map, low, high),
        percentiles=None if colour_limits else (1.0, 99.0), unit=str(said.get("unit", "")),
    )  # fmt: skip


def of_codes(
    name: str,
    codes: NDArray[Any],
    categories: Sequence[str],
    style: CategoryStyle | None = None,
) -> Shown:
    """From category codes, -1 for missing."""
    stored = np.asarray(codes, dtype=np.intp)
    names = tuple(categories)
    drawn = (style or CategoryStyle()).applied(stored, names)
    return Shown(name, drawn=drawn, stored_codes=stored, stored=names)


def _is_categorical(kind: Any) -> bool:
    return type(kind).__name__ == "CategoricalDtype"
