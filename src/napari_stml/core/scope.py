"""Which part of a section an analysis sees, frozen at the click."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ScopeKind = Literal["section", "regions", "selection", "field", "filter"]


@dataclass(frozen=True)
class Scope:
    """A whole section, drawn regions, a selection, the visible field or a boolean column.

    Attributes
    ----------
    members
        Names of the observations (or tile ids) inside, in the section's order; None for all.
    polygons
        The outlines as WKB in reference pixels, where there are any: a slide without
        observations is restricted by these alone.
    title
        "2 regions", "134 selected spots": as the dock's head says it.
    """

    kind: ScopeKind = "section"
    members: tuple[str, ...] | None = None
    polygons: tuple[bytes, ...] = ()
    title: str = "whole section"

    def __post_init__(self) -> None:
        if (self.kind == "section") != (self.members is None and not self.polygons):
            raise ValueError("only a whole section has neither members nor polygons")

    def mask(self, names: NDArray[np.object_]) -> NDArray[np.bool_]:
        """Which of the named observations are inside."""
        if self.members is None:
            return np.ones(len(names), dtype=bool)
        inside = frozenset(self.members)
        return np.fromiter((n in inside for n in names), dtype=bool, count=len(names))

    def record(self) -> dict[str, Any]:
        """What the Run's record keeps: outlines in full, members by number and hash.

        The members themselves stand in a table of the Run as the column ``in_scope``.
        """
        digest = hashlib.sha256("\n".join(self.members or ()).encode()).hexdigest()[:16]
        return {
            "kind": self.kind,
            "title": self.title,
            "members": None if self.members is None else len(self.members),
            "members_hash": None if self.members is None else digest,
            "polygons": [p.hex() for p in self.polygons],
        }
