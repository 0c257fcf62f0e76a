"""The observations of a store: a table's rows joined to the instances that they annotate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.contents import Lattice, ObservationKind, Observations
from napari_stml.io.readers.pitch import DIAMETER_OF_SCALEFACTORS_UM, VISIUM_SPOT_UM, lattice_of
from napari_stml.io.readers.spatialdata.labels import label_centres
from napari_stml.io.readers.spatialdata.shapes import Centres, read_centres, read_shapes
from napari_stml.io.readers.spatialdata.tables import StoreTable, row_names, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import geopandas as gpd
    from numpy.typing import NDArray

    from napari_stml.core.geometry import Affine
    from napari_stml.io.contents import PlacedSlide
    from napari_stml.io.readers.spatialdata.files import StoreFiles
    from napari_stml.io.tables.base import Table

STORED_POSITIONS = "spatial"


@dataclass(frozen=True)
class Region:
    """An element that a table annotates, and its map to reference pixels."""

    name: str
    kind: str
    affine: Affine


@dataclass(frozen=True)
class Observed:
    """Observations with the tables that annotate them, and what did not match."""

    observations: Observations
    tables: Mapping[str, Table]
    notes: tuple[str, ...]


def observe(
    files: StoreFiles,
    tables: Sequence[StoreTable],
    regions: Sequence[Region],
    images: Mapping[str, PlacedSlide],
) -> Observed:
    """Join the first table to its elements, then the other tables to its rows."""
    first = tables[0]
    region_of, instance = first.annotation()
    names = row_names(first, instance)
    stored = _stored_positions(first)
    rows, parts, notes = [], [], []
    for region in regions:
        mine = np.flatnonzero(region_of == region.name)
        positions = None if stored is None else stored[mine]
        centres = _centres(files, region, instance[mine], positions, images)
        at = pd.Index(centres.ids).get_indexer(pd.Index(instance[mine]))
        found = at >= 0
        found[found] &= np.isfinite(centres.xy[at[found]]).all(axis=1)
        if not found.all():
            notes.append(
                f"{int((~found).sum())} of {len(mine)} rows of '{first.name}' have no instance in "
                f"'{region.name}' and are not shown"
            )
        if (extra := len(centres.ids) - int(found.sum())) > 0:
            notes.append(f"{extra} instances of '{region.name}' have no row in '{first.name}'")
        rows.append(mine[found])
        parts.append((centres, region.affine(centres.xy[at[found]])))
    taken = np.concatenate(rows)
    if not len(taken):
        raise CannotOpenError(
            f"No row of the table '{first.name}' belongs to an instance of "
            f"'{', '.join(r.name for r in regions)}'",
            where=first.source,
            do=f"check the columns '{first.role.region_key}' and '{first.role.instance_key}'",
        )
    short = _without_region(names[taken], [r.name for r in regions])
    xy = np.concatenate([xy for _, xy in parts])
    lattice = _lattice(first, taken, xy)
    observations = Observations(
        kind=_kind(regions, [c for c, _ in parts]),
        names=short,
        xy=xy,
        radius_px=_radius(regions, [c for c, _ in parts], lattice),
        lattice=lattice,
        outlines=_outlines(files, regions, parts, region_of[taken], instance[taken], short),
        element=regions[0].name if len(regions) == 1 else None,
        instances=instance[taken] if len(regions) == 1 else None,
        **_mask(regions, instance[taken]),
    )
    if len(regions) > 1 and any(r.kind == "labels" for r in regions):
        notes.append("cells lie in several label images; they are shown by their centres")
    joined: dict[str, Table] = {first.name: rows_of(first, taken, short)}
    keys = pd.MultiIndex.from_arrays([region_of[taken], instance[taken]])
    for table in tables[1:]:
        joined[table.name], note = _join(table, keys, short)
        notes += note
    return Observed(observations, joined, tuple(notes))


def observe_without_table(files: StoreFiles, region: Region) -> Observations:
    """Take circles or outlines as observations that no table annotates (yet)."""
    centres = read_centres(files, region.name)
    names = np.array([str(i) for i in centres.ids], dtype=object)
    return Observations(
        kind=_kind([region], [centres]),
        names=names,
        xy=region.affine(centres.xy),
        radius_px=_radius([region], [centres], None),
        outlines=None if centres.circles else partial(_polygons, files, [(region, names)], None),
        element=region.name,
        instances=centres.ids,
    )


def _join(
    table: StoreTable, keys: pd.MultiIndex, names: NDArray[np.object_]
) -> tuple[Table, list[str]]:
    """Give a further table's rows the names of the observations that they describe."""
    own = pd.MultiIndex.from_arrays(list(table.annotation()))
    if own.has_duplicates:
        raise CannotOpenError(
            f"The table '{table.name}' has several rows for one instance", where=table.source
        )
    at = own.get_indexer(keys)
    matched = at >= 0
    note = []
    if not matched.all():
        note = [
            f"{int((~matched).sum())} of {len(names)} observations have no row in '{table.name}'"
        ]
    return rows_of(table, at[matched], names[matched]), note


def _centres(
    files: StoreFiles,
    region: Region,
    ids: NDArray[Any],
    stored: NDArray[np.float64] | None,
    images: Mapping[str, PlacedSlide],
) -> Centres:
    if region.kind == "labels":
        whole = _whole_numbers(ids, region.name)
        xy = label_centres(images[region.name].slide, whole, stored)
        return Centres(ids, xy, None, circles=False)
    return read_centres(files, region.name, None if stored is None else (ids, stored))


def _whole_numbers(ids: NDArray[Any], region: str) -> NDArray[np.int64]:
    try:
        return np.asarray(ids).astype(np.int64)
    except (TypeError, ValueError) as error:
        raise CannotOpenError(
            f"The ids of the rows for the label image '{region}' are not whole numbers: {error}",
            do="use the values of the label image as instance ids",
        ) from error


def _stored_positions(table: Table) -> NDArray[np.float64] | None:
    if STORED_POSITIONS not in table.obsm_keys:
        return None
    xy = table.obsm(STORED_POSITIONS)
    return np.asarray(xy[:, :2], dtype=np.float64) if xy.shape[1] >= 2 else None


def _without_region(names: NDArray[np.object_], regions: Sequence[str]) -> NDArray[np.object_]:
    """Drop the region in front of repeated barcodes where only one region is shown."""
    prefix = f"{regions[0]}/"
    if len(regions) == 1 and all(str(n).startswith(prefix) for n in names):
        return np.array([str(n).removeprefix(prefix) for n in names], dtype=object)
    return names


def _kind(regions: Sequence[Region], centres: Sequence[Centres]) -> ObservationKind:
    if any(r.kind == "labels" or "cell" in r.name.lower() for r in regions):
        return "cells"
    if all(c.squares for c in centres):
        return "bins"
    return "spots" if all(c.circles for c in centres) else "cells"


def _radius(
    regions: Sequence[Region], centres: Sequence[Centres], lattice: Lattice | None
) -> float | None:
    sizes = [
        c.radius * r.affine.length_factor
        for r, c in zip(regions, centres, strict=True)
        if c.radius is not None
    ]
    if not sizes:
        return None
    radius = float(np.median(sizes))
    if lattice is not None and lattice.hexagonal and lattice.pitch_px:
        # Readers store half of spot_diameter_fullres, a theoretical 65 um; a spot has 55 um.
        theoretical = lattice.pitch_px * DIAMETER_OF_SCALEFACTORS_UM / 200
        if abs(radius / theoretical - 1) < 0.02:
            return radius * VISIUM_SPOT_UM / DIAMETER_OF_SCALEFACTORS_UM
    return radius


def _lattice(table: Table, rows: NDArray[np.intp], xy: NDArray[np.float64]) -> Lattice | None:
    if not {"array_row", "array_col"} <= set(table.columns):
        return None
    try:
        row, col = (
            table.column(name).to_numpy(dtype=np.float64)[rows]
            for name in ("array_row", "array_col")
        )
    except (TypeError, ValueError):
        return None
    if not (np.isfinite(row).all() and np.isfinite(col).all()):
        return None
    return lattice_of(row.astype(np.int64), col.astype(np.int64), xy)


def _mask(regions: Sequence[Region], instance: NDArray[Any]) -> dict[str, Any]:
    if len(regions) != 1 or regions[0].kind != "labels":
        return {}
    ids = _whole_numbers(instance, regions[0].name)
    return {"mask": regions[0].name, "mask_ids": ids}


def _outlines(
    files: StoreFiles,
    regions: Sequence[Region],
    parts: Sequence[tuple[Centres, Any]],
    region_of: NDArray[np.object_],
    instance: NDArray[Any],
    names: NDArray[np.object_],
) -> Any:
    """Give a reader of the polygons; None for circles and label images."""
    if any(r.kind != "shapes" or c.circles for r, (c, _) in zip(regions, parts, strict=True)):
        return None
    mine = [(r, names[region_of == r.name]) for r in regions]
    ids = [instance[region_of == r.name] for r in regions]
    return partial(_polygons, files, mine, ids)


def _polygons(
    files: StoreFiles,
    regions: Sequence[tuple[Region, NDArray[np.object_]]],
    ids: Sequence[NDArray[Any]] | None,
) -> gpd.GeoDataFrame:
    frames = []
    for i, (region, names) in enumerate(regions):
        shapes = read_shapes(files, region.name)
        if ids is not None:
            shapes = shapes.loc[ids[i]]
        a, b, c, d, e, f = region.affine.values
        moved = shapes.geometry.affine_transform([a, b, d, e, c, f])
        frames.append(moved.set_axis(pd.Index(names)).to_frame("geometry"))
    return pd.concat(frames)
