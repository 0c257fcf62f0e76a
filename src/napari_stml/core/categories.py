"""What a user made of the categories of a column: names, merges, colours."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.colours import palette

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_stml.core.colours import RGBA


@dataclass(frozen=True)
class Categories:
    """Codes and names as they are drawn; ``origin`` has the drawn index of each stored category."""

    codes: NDArray[np.intp]
    names: tuple[str, ...]
    colours: RGBA
    origin: tuple[int, ...]

    @property
    def counts(self) -> NDArray[np.intp]:
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))

    @property
    def missing(self) -> int:
        return int((self.codes < 0).sum())


@dataclass(frozen=True)
class CategoryStyle:
    """Changes of one column's categories; the column itself stays as it is.

    ``named`` maps stored names to shown ones: two with the same shown name are merged.
    ``colours`` maps shown names to #rrggbb.
    """

    named: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)

    def renamed(self, shown: str, to: str, categories: Sequence[str]) -> CategoryStyle:
        """Give a shown category another name; the name of another one merges the two."""
        named = {c: self.named.get(c, c) for c in categories}
        changed = {c: to if now == shown else now for c, now in named.items()}
        colours = {to if n == shown and to not in self.colours else n: c
                   for n, c in self.colours.items()}  # fmt: skip
        kept = {c: now for c, now in changed.items() if now != c}
        return CategoryStyle(kept, {n: c for n, c in colours.items() if n in changed.values()})

    def recoloured(self, shown: str, colour: str) -> CategoryStyle:
        return replace(self, colours={**self.colours, shown: colour})

    def applied(self, codes: NDArray[Any], categories: Sequence[str]) -> Categories:
        """What is drawn; a name keeps its first category's place and thus its colour."""
        shown = [self.named.get(c, c) for c in categories]
        names = tuple(dict.fromkeys(shown))
        place = {name: i for i, name in enumerate(names)}
        origin = tuple(place[name] for name in shown)
        lookup = np.array([*origin, -1], dtype=np.intp)
        base = palette(categories)
        first = [shown.index(name) for name in names]
        colours = np.vstack([base[first], base[-1:]])
        chosen = palette(names, self.colours)
        for i, name in enumerate(names):
            if name in self.colours:
                colours[i] = chosen[i]
        return Categories(lookup[np.asarray(codes)], names, colours, origin)

    def record(self) -> dict[str, dict[str, str]]:
        """As JSON holds it."""
        return {"named": dict(self.named), "colours": dict(self.colours)}

    @classmethod
    def of(cls, record: Any) -> CategoryStyle:
        """From what was stored; what is not understood is left out."""
        stored = record if isinstance(record, dict) else {}
        parts = (stored.get("named"), stored.get("colours"))
        named, colours = (
            {str(k): str(v) for k, v in p.items()} if isinstance(p, dict) else {} for p in parts
        )
        return cls(named, {k: v for k, v in colours.items() if _is_colour(v)})


def _is_colour(text: str) -> bool:
    return re.fullmatch("#[0-9a-fA-F]{6}", text) is not None
