"""Images that a saved section left where they were."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Reference:
    """Where an image lies and how its pixels map to the coordinate system "global"."""

    path: str
    affine: Affine


def references(attrs: Mapping[str, Any]) -> dict[str, Reference]:
    """The images that the store's own attributes name."""
    found = {}
    for name, text in (attrs.get("stml") or {}).get("references", {}).items():
        try:
            where = json.loads(text)
            a, b, c, d, e, f = (float(v) for v in where["affine"])
            found[str(name)] = Reference(str(where["path"]), Affine((a, b, c, d, e, f)))
        except (ValueError, KeyError, TypeError) as error:
            raise CannotOpenError("Where this image lies is not readable", where=name) from error
    return found
