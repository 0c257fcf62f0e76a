"""What a user made of the categories of a column: names, merges, splits, colours."""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import asdict, dataclass, field, replace
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
class Split:
    """Observations that were taken out of their categories into one of their own.

    ``rows`` are packed bits over all ``total`` observations, compressed, as text.
    """

    name: str
    total: int
    rows: str

    @classmethod
    def of(cls, name: str, mask: NDArray[np.bool_]) -> Split:
        packed = zlib.compress(np.packbits(mask).tobytes(), 9)
        return cls(name, len(mask), base64.b64encode(packed).decode("ascii"))

    @property
    def mask(self) -> NDArray[np.bool_]:
        packed = zlib.decompress(base64.b64decode(self.rows))
        bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=self.total)
        return bits.astype(bool)

    @classmethod
    def read(cls, record: Any) -> Split | None:
        """From what was stored; None where it is damaged."""
        if not isinstance(record, dict):
            return None
        try:
            found = cls(str(record["name"]), int(record["total"]), str(record["rows"]))
            return found if len(found.mask) == found.total else None
        except (KeyError, TypeError, ValueError, zlib.error):
            return None


@dataclass(frozen=True)
class CategoryStyle:
    """Changes of one column's categories; the column itself stays as it is.

    ``named`` maps stored names to shown ones: two with the same shown name are merged.
    ``colours`` maps shown names to #rrggbb. ``splits`` come after the stored categories, in the
    order in which they were made; the later takes from the earlier.
    """

    named: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)
    splits: tuple[Split, ...] = ()

    def split(self, to: str, mask: NDArray[np.bool_], categories: Sequence[str]) -> CategoryStyle:
        """Take the observations of the mask into a category of their own, shown as ``to``."""
        taken = {*categories, *(s.name for s in self.splits)}
        key = to
        while key in taken:  # a stored name that is shown under another one
            key += "'"
        named = {**self.named, key: to} if key != to else self.named
        return replace(self, named=named, splits=(*self.splits, Split.of(key, mask)))

    def renamed(self, shown: str, to: str, categories: Sequence[str]) -> CategoryStyle:
        """Give a shown category another name; the name of another one merges the two."""
        every = (*categories, *(s.name for s in self.splits))
        named = {c: self.named.get(c, c) for c in every}
        changed = {c: to if now == shown else now for c, now in named.items()}
        colours = {to if n == shown and to not in self.colours else n: c
                   for n, c in self.colours.items()}  # fmt: skip
        kept = {c: now for c, now in changed.items() if now != c}
        colours = {n: c for n, c in colours.items() if n in changed.values()}
        return CategoryStyle(kept, colours, self.splits)

    def recoloured(self, shown: str, colour: str) -> CategoryStyle:
        return replace(self, colours={**self.colours, shown: colour})

    def applied(self, codes: NDArray[Any], categories: Sequence[str]) -> Categories:
        """What is drawn; a name keeps its first category's place and thus its colour.

        A split of another number of observations than there are now is left out.
        """
        codes = np.asarray(codes)
        fitting = [s for s in self.splits if s.total == len(codes)]
        if fitting:
            codes = codes.astype(np.intp)
            for added, split in enumerate(fitting, len(categories)):
                codes[split.mask] = added
            categories = (*categories, *(s.name for s in fitting))
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
        return Categories(lookup[codes], names, colours, origin)

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        record: dict[str, Any] = {"named": dict(self.named), "colours": dict(self.colours)}
        if self.splits:
            record["splits"] = [asdict(s) for s in self.splits]
        return record

    @classmethod
    def of(cls, record: Any) -> CategoryStyle:
        """From what was stored; what is not understood is left out."""
        stored = record if isinstance(record, dict) else {}
        parts = (stored.get("named"), stored.get("colours"))
        named, colours = (
            {str(k): str(v) for k, v in p.items()} if isinstance(p, dict) else {} for p in parts
        )
        listed = stored.get("splits")
        read = [Split.read(s) for s in listed] if isinstance(listed, list) else []
        return cls(
            named,
            {k: v for k, v in colours.items() if _is_colour(v)},
            tuple(s for s in read if s is not None),
        )


def _is_colour(text: str) -> bool:
    return re.fullmatch("#[0-9a-fA-F]{6}", text) is not None
