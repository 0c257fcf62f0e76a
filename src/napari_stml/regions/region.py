"""One drawn region, and how it is written down."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import shapely

from napari_stml.core.errors import StmlError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shapely.geometry.base import BaseGeometry

Form = Literal["polygon", "rectangle", "ellipse", "line", "points"]
"""How it was drawn; an ellipse is kept as a polygon of many corners."""

AREAS = frozenset({"Polygon", "MultiPolygon"})


@dataclass(frozen=True)
class Drawn:
    """A region as the user drew or imported it; a change makes a new one of the same id.

    Attributes
    ----------
    outline
        Polygon with holes, multipolygon, line or points.
    kind
        Name of its class, "" for none.
    author
        What the user calls themselves; never the login name of the computer.
    made, changed
        ISO times.
    hidden, locked
        Not drawn on the canvas; protected from edits. Both are still counted and analysed.
    parent
        Id of the region that it belongs to, "" for none.
    colour
        #rrggbb of its own; "" takes that of the class.
    more
        What a GeoJSON file said beyond this, for the way back.
    """

    id: str
    outline: BaseGeometry
    kind: str = ""
    name: str = ""
    notes: str = ""
    author: str = ""
    made: str = ""
    changed: str = ""
    locked: bool = False
    hidden: bool = False
    parent: str = ""
    colour: str = ""
    form: Form = "polygon"
    measurements: Mapping[str, float] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls, outline: BaseGeometry, **what: Any) -> Drawn:
        """Give it an id and the present time."""
        when = now()
        return cls(str(uuid.uuid4()), outline, **{"made": when, "changed": when, **what})

    @property
    def is_area(self) -> bool:
        return self.outline.geom_type in AREAS and not self.outline.is_empty

    @property
    def title(self) -> str:
        """What a list calls it."""
        return self.name or self.kind or "unnamed"

    def with_(self, **changes: Any) -> Drawn:
        """Change it now."""
        return replace(self, **{"changed": now(), **changes})

    def record(self) -> dict[str, Any]:
        """As JSON holds it; values at their default are left out."""
        found: dict[str, Any] = {"id": self.id, "outline": shapely.to_wkb(self.outline, hex=True)}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name not in found and value not in ("", False, {}, "polygon"):
                found[each.name] = dict(value) if isinstance(value, dict) else value
        return found

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Drawn:
        """From `record`; keys of newer versions are ignored."""
        known = {each.name for each in fields(cls)}
        try:
            outline = shapely.from_wkb(record["outline"])
            return cls(**{k: v for k, v in record.items() if k in known} | {"outline": outline})
        except (KeyError, TypeError, shapely.errors.ShapelyError) as error:
            raise StmlError("A region in this record is damaged", where=str(error)) from error


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def sound(outline: BaseGeometry) -> BaseGeometry:
    """The same area with crossings resolved; lines and points as they are.

    Where a ring crosses itself both loops count as inside, as they are drawn.
    """
    if outline.geom_type not in AREAS or outline.is_valid:
        return outline
    return areas_of(shapely.make_valid(outline, method="structure", keep_collapsed=False))


def areas_of(shape: BaseGeometry) -> BaseGeometry:
    """Only the polygons of what an operation left: lines and points that touch fall away."""
    if shape.geom_type in AREAS:
        return shape
    parts = [p for p in shapely.get_parts(shape) if p.geom_type in AREAS and p.area > 0]
    return shapely.union_all(parts) if parts else shapely.Polygon()
