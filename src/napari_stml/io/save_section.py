"""Save as: any section as a SpatialData store of its own, its Runs included."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_stml.core.geometry import Affine
from napari_stml.io.store import Part, Raster, save_as
from napari_stml.io.store.names import storable_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_stml.io.contents import Observations, PlacedSlide
    from napari_stml.io.section import Section
    from napari_stml.io.tables.base import Table

SPOTS = "observations"


def save_section_as(
    section: Section, target: Path | str, *, images: Literal["copied", "referenced"] = "copied"
) -> Iterator[str]:
    """Write images, observations, tables and kept Runs; yields what is being written.

    Exhaust the iterator to save; closing it before its end leaves nothing behind.

    Parameters
    ----------
    images
        "referenced" leaves the pixels where they are and remembers the path: small and quick,
        but the new store needs the old file.
    """
    to_um = None
    if section.um_per_px is not None:
        to_um = Affine.scaling(section.um_per_px.x, section.um_per_px.y)
    parts: list[Part] = []
    references: dict[str, str] = {}
    names = _names(section)
    for name, placed in section.images.items():
        if images == "referenced" and placed.role != "mask" and Path(placed.slide.uri).exists():
            where = {"path": placed.slide.uri, "affine": placed.affine.values}
            references[names[name]] = json.dumps(where)
        else:
            parts.append(_image(names[name], placed, to_um))
    observed = section.observations
    if observed is not None:
        if observed.mask is None:
            parts.append(Part("shapes", SPOTS, partial(_shapes, observed), Affine(), um=to_um))
        region = names[observed.mask] if observed.mask is not None else SPOTS
        for name, table in section.tables.items():
            load = partial(_table, section, table)
            rows = section.rows_of(table)
            ids = _instances(observed)[rows >= 0]
            parts.append(Part("tables", storable_name(name), load, region=region, instances=ids))
    for element in section.elements:
        if element.kind in {"shapes", "points"}:
            name = storable_name(element.name)
            parts.append(Part(element.kind, name, element.load, element.affine, um=to_um))
    kept = section.kept.store if section.shelf is not None else None
    yield from save_as(target, parts, kept=kept, references=references)


def _names(section: Section) -> dict[str, str]:
    """Names that the store accepts, different from each other."""
    found: dict[str, str] = {}
    for name in section.images:
        stem, n = storable_name(name), 2
        while stem in found.values() or stem == SPOTS:
            stem, n = f"{storable_name(name)}_{n}", n + 1
        found[name] = stem
    return found


def _image(name: str, placed: PlacedSlide, to_um: Affine | None) -> Part:
    slide = placed.slide
    if placed.role != "mask":
        return Part("images", name, lambda: slide, placed.affine, um=to_um)

    def mask() -> Raster:
        def read(y: int, x: int, height: int, width: int) -> Any:
            return slide.read(x, y, 0, width, height)[:, :, 0]

        return Raster(slide.height, slide.width, slide.dtype, read)

    return Part("labels", name, mask, placed.affine, um=to_um)


def _shapes(observed: Observations) -> Any:
    """Outlines where they are known, circles else; indexed as the tables' instances."""
    import geopandas as gpd
    import shapely
    from spatialdata.models import ShapesModel

    index = _instances(observed)
    if observed.outlines is not None:
        outlines = observed.outlines()
        return ShapesModel.parse(outlines.set_axis(index, axis=0))
    radius = observed.radius_px or 1.0
    frame = gpd.GeoDataFrame(
        {"radius": np.full(len(observed), float(radius))},
        geometry=shapely.points(observed.xy),
        index=index,
    )
    return ShapesModel.parse(frame)


def _instances(observed: Observations) -> Any:
    if observed.mask is not None and observed.mask_ids is not None:
        return observed.mask_ids
    return np.asarray(observed.names)


def _table(section: Section, table: Table) -> Any:
    """The table's rows of the observations, in their order, under their names."""
    assert section.observations is not None
    rows = section.rows_of(table)
    known = rows >= 0
    adata = table.to_anndata(rows[known])
    adata.obs_names = section.observations.names[known]
    adata.obsm["spatial"] = section.observations.xy[known]
    return adata
