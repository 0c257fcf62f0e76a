"""Whether the drawing has changed since a Run that looked at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_stml.core import needs
from napari_stml.core.inputs import Region
from napari_stml.runs.desk import analyses
from napari_stml.runs.inputs import signature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_stml.core.run_record import RunRecord
    from napari_stml.regions.region import Drawn

SCOPE = "The regions it was run on have been changed since; Repeat runs it on the new ones."
INPUT = "The drawing has been changed since; Repeat takes the regions as they are now."


def stale(record: RunRecord, regions: Iterable[Drawn]) -> str:
    """What to say of a Run beside the present drawing; "" when it still holds."""
    areas = [r for r in regions if r.is_area]
    drawn = tuple(Region(bytes(r.outline.wkb), r.kind, r.name) for r in areas)
    ran_on = record.scope.get("polygons") if record.scope.get("kind") == "regions" else None
    if ran_on and not set(ran_on) <= {r.outline.hex() for r in drawn}:
        return SCOPE
    kind = analyses().get(record.analysis)
    if kind is None:
        return ""
    try:
        wanted = kind().needs(kind.Params.model_validate(record.params))
    except ValidationError:
        return ""  # a Run of an older version, whose parameters are no longer known
    for name, need in wanted.items():
        if isinstance(need, needs.Outlines):
            classes = need.classes
            looked = tuple(r for r in drawn if classes is None or r.kind in classes)
            signed = [sign for key, sign in record.inputs.items() if key.endswith(f"/{name}")]
            if signed and signature(looked) not in signed:
                return INPUT
    return ""
