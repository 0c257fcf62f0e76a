"""Drawn regions as a shapes element that any reader of SpatialData understands.

Areas are rows of ``stml.regions``. SpatialData has no lines, and no element that mixes points with
areas, so lines, points and the class list are an attribute of the store.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import shapely

from napari_stml.regions.region import Drawn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import geopandas as gpd

ATTRIBUTE = "regions"
_TEXTS = ("name", "notes", "author", "made", "changed", "parent", "colour", "form")
_SWITCHES = ("locked", "hidden")
_JSON = ("measurements", "more")


def frame_of(regions: Iterable[Drawn], section: str = "") -> gpd.GeoDataFrame:
    """Rows of the areas; ``section`` says to which section of a store of several they belong."""
    import geopandas as gpd
    import pandas as pd

    areas = [(place, r) for place, r in enumerate(regions) if r.is_area]
    columns: dict[str, list[Any]] = {"class": [r.kind for _, r in areas]}
    columns |= {name: [getattr(r, name) for _, r in areas] for name in (*_TEXTS, *_SWITCHES)}
    columns |= {name: [_json(getattr(r, name)) for _, r in areas] for name in _JSON}
    columns["place"] = [place for place, _ in areas]
    columns["section"] = [section] * len(areas)
    index = pd.Index([r.id for _, r in areas], dtype=object, name="id")
    return gpd.GeoDataFrame(columns, geometry=[r.outline for _, r in areas], index=index)


def others_of(regions: Iterable[Drawn]) -> list[list[Any]]:
    """Place and record of what is no area."""
    return [[place, r.record()] for place, r in enumerate(regions) if not r.is_area]


def regions_in(
    frame: gpd.GeoDataFrame | None, others: Iterable[Any] = (), section: str | None = None
) -> tuple[Drawn, ...]:
    """Back from `frame_of` and `others_of`; frames of other programs have at least outlines."""
    placed: list[tuple[int, Drawn]] = []
    if frame is not None:
        for i, row in enumerate(frame.to_dict("records")):
            if section is not None and str(row.get("section", "") or "") not in {"", section}:
                continue
            placed.append((int(row.get("place", i)), _region(str(frame.index[i]), row)))
    placed += [(int(place), Drawn.of(record)) for place, record in others]
    return tuple(region for _, region in sorted(placed, key=lambda p: p[0]))


def read_frame(path: Path) -> gpd.GeoDataFrame | None:
    """The element's file; None where nothing is drawn."""
    import geopandas as gpd

    file = path / "shapes.parquet"
    return gpd.read_parquet(file) if file.exists() else None


def _region(name: str, row: dict[str, Any]) -> Drawn:
    what: dict[str, Any] = {key: str(row.get(key) or "") for key in _TEXTS}
    what |= {key: bool(row.get(key, False)) for key in _SWITCHES}
    what |= {key: json.loads(row.get(key) or "{}") for key in _JSON}
    what["form"] = what["form"] or "polygon"
    return Drawn(name, shapely.from_wkb(shapely.to_wkb(row["geometry"])),
                 kind=str(row.get("class") or ""), **what)  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(dict(value)) if value else ""
