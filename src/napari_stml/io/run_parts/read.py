"""Read the parts of a stored Run back as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.charts import Axis, Chart, Link
from napari_stml.core.errors import CannotOpenError
from napari_stml.core.geometry import Affine
from napari_stml.core.results import (
    GeneValues,
    Graph,
    Heatmap,
    Labels,
    Mask,
    Matrix,
    Part,
    Regions,
    Table,
    Tiles,
    Values,
    View,
)
from napari_stml.io.run_parts import models

if TYPE_CHECKING:
    from pathlib import Path

    from napari_stml.core.run_record import PartEntry


def read_part(store: Path, entry: PartEntry) -> Part:
    """One part; rows are those of the Run's table, in the section's order."""
    if entry.content:
        return _from_record(entry)
    try:
        return _from_store(store, entry)
    except (KeyError, OSError, ValueError) as error:
        raise CannotOpenError(
            f"The value '{entry.name}' is no longer readable", where=store / entry.element,
            do="repeat the Run",
        ) from error  # fmt: skip


def _from_record(entry: PartEntry) -> Part:
    content = entry.content
    if entry.kind == "Chart":
        return Chart(
            name=content["name"],
            chart=content["chart"],
            title=content["title"],
            x=Axis(**content["x"]),
            y=Axis(**content["y"]),
            data=content["data"],
            links=tuple(Link(k["kind"], tuple(k["ids"]), k["value"]) for k in content["links"]),
            notes=tuple(content["notes"]),
        )
    if entry.kind == "View":
        numbers = {k: tuple(v) for k, v in content["numbers"].items()}
        return View(entry.name, content["through"], numbers, content["image"])
    columns = {k: tuple(v) for k, v in content["columns"].items()}
    if entry.kind == "GeneValues":
        return _gene_values(entry.name, columns)
    return Table(entry.name, columns)


def _from_store(store: Path, entry: PartEntry) -> Part:
    if entry.kind == "Heatmap":
        pixels = _level0(store / "images" / entry.element)[0]
        look = entry.look
        affine = Affine(tuple(look["affine"]))
        limits = tuple(look["limits"]) if "limits" in look else None
        return Heatmap(entry.name, pixels, affine, look.get("unit", ""), look["scale"], limits)
    if entry.kind == "Mask":
        pixels = _level0(store / "labels" / entry.element)
        classes = {int(k): v for k, v in entry.look["classes"].items()}
        return Mask(entry.name, pixels, Affine(tuple(entry.look["affine"])), classes)
    if entry.kind == "Tiles":
        return _tiles(store, entry)
    if entry.kind == "Regions":
        return _regions(store, entry)
    return _from_table(store, entry)


def _from_table(store: Path, entry: PartEntry) -> Part:
    import anndata as ad
    import zarr

    group = zarr.open_group(store / "tables" / entry.element, mode="r", use_consolidated=False)
    look = entry.look
    if entry.kind == "Model":
        return models.from_table(entry.name, ad.io.read_elem(group["uns"]), look["sha256"])
    if entry.kind in {"Values", "Labels"}:
        column = ad.io.read_elem(group["obs"])[entry.key]
        if entry.kind == "Values":
            values = column.to_numpy(dtype=np.float64)
            return Values(entry.name, values, look.get("unit", ""), look["scale"])
        categories = tuple(str(c) for c in column.cat.categories)
        codes = np.asarray(column.cat.codes, dtype=np.int32)
        return Labels(entry.name, codes, categories, tuple(look.get("colours", ())))
    if entry.kind == "Graph":
        return Graph(entry.name, ad.io.read_elem(group[f"obsp/{entry.key}"]))
    if entry.kind == "Matrix" and entry.key == "X":
        genes = tuple(str(v) for v in ad.io.read_elem(group["var"]).index)
        return Matrix(entry.name, ad.io.read_elem(group["X"]), genes, genes=True)
    if entry.kind == "Matrix":
        values = ad.io.read_elem(group[f"obsm/{entry.key}"])
        return Matrix(entry.name, values, tuple(look.get("columns", ())))
    frame = ad.io.read_elem(group["obs"])
    columns = {name: tuple(frame[key]) for name, key in look["columns"].items()}
    if entry.kind == "GeneValues":
        return _gene_values(entry.name, columns)
    return Table(entry.name, columns)


def _gene_values(name: str, columns: dict[str, Any]) -> GeneValues:
    genes = tuple(str(g) for g in columns["gene"])
    rest = [k for k in columns if k != "gene"]
    values = [np.array([np.nan if v is None else v for v in columns[k]], dtype=float) for k in rest]
    matrix = np.column_stack(values) if values else np.empty((len(genes), 0))
    return GeneValues(name, genes, matrix, tuple(rest))


def _level0(folder: Path) -> Any:
    import zarr

    group = zarr.open_group(folder, mode="r", use_consolidated=False)
    _, finest = min(group.arrays())
    return np.asarray(finest[...])


def _tiles(store: Path, entry: PartEntry) -> Tiles:
    import pandas as pd

    frame = pd.read_parquet(store / "points" / entry.element / "points.parquet")
    xy = frame[["x", "y"]].to_numpy(dtype=np.float64)
    values = {name: frame[key].to_numpy() for name, key in entry.look["columns"].items()}
    return Tiles(entry.name, xy, float(entry.look["side"]), values,
                 entry.look.get("colour_by", ""))  # fmt: skip


def _regions(store: Path, entry: PartEntry) -> Regions:
    import geopandas as gpd
    import shapely

    frame = gpd.read_parquet(store / "shapes" / entry.element / "shapes.parquet")
    outlines = tuple(bytes(shapely.to_wkb(g)) for g in frame.geometry)
    return Regions(
        entry.name, outlines, tuple(map(str, frame["class"])), tuple(map(str, frame["name"]))
    )
