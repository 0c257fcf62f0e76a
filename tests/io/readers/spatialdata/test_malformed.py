"""Damaged stores: a clear error (or a note), no crash, nothing changed on disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_stml.core.errors import StmlError
from napari_stml.io.section import Section

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def tree_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        digest.update(str(file.relative_to(folder)).encode())
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:40])


def set_version(store: Path) -> None:
    edit(
        store / "zarr.json",
        lambda d: d["attributes"]["spatialdata_attrs"].update(version="9.0"),
    )


def set_element_version(store: Path) -> None:
    edit(
        store / "shapes/spots/zarr.json",
        lambda d: d["attributes"]["spatialdata_attrs"].update(version="7"),
    )


def drop_instance_key(store: Path) -> None:
    edit(store / "tables/table/zarr.json", lambda d: d["attributes"].pop("instance_key"))


def drop_transformation(store: Path) -> None:
    edit(
        store / "shapes/spots/zarr.json",
        lambda d: d["attributes"].pop("coordinateTransformations"),
    )


def strange_transformation(store: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["attributes"]["coordinateTransformations"][0]["type"] = "displacements"

    edit(store / "shapes/spots/zarr.json", change)


def drop_geometry(store: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"radius": [1.0, 2.0]})
    frame.to_parquet(store / "shapes/spots/shapes.parquet")


def other_ids(store: Path) -> None:
    import geopandas as gpd

    file = store / "shapes/spots/shapes.parquet"
    frame = gpd.read_parquet(file)
    frame.index = frame.index + 10_000
    frame.to_parquet(file)


def empty_table(store: Path) -> None:
    import anndata as ad
    import zarr

    table = ad.read_zarr(store / "tables/table")[:0].copy()
    attrs = json.loads((store / "tables/table/zarr.json").read_text())["attributes"]
    shutil.rmtree(store / "tables/table")
    with ad.settings.override(zarr_write_format=3):
        table.write_zarr(store / "tables/table")
    zarr.open_group(store / "tables/table", mode="r+").attrs.update(attrs)


CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "root cut off": (lambda s: truncate(s / "zarr.json"), "metadata are damaged"),
    "root is a list": (
        lambda s: (s / "zarr.json").write_text("[1]"), "not a JSON object"),
    "version of the store": (set_version, "Version 9.0 .*Update napari-stml"),
    "version of an element": (set_element_version, "Version 7 .*shapes"),
    "image cut off": (lambda s: truncate(s / "images/he/zarr.json"), "damaged.*he"),
    "level cut off": (lambda s: truncate(s / "images/he/s0/zarr.json"), "he"),
    "level missing": (lambda s: shutil.rmtree(s / "images/he/s0"), "he"),
    "image without multiscales": (
        lambda s: edit(s / "images/he/zarr.json", lambda d: d.update(attributes={})),
        "no multiscales",
    ),
    "region missing": (
        lambda s: shutil.rmtree(s / "shapes/spots"),
        "annotates 'spots', which is not in the store",
    ),
    "shapes cut off": (
        lambda s: truncate(s / "shapes/spots/shapes.parquet"),
        "outlines are damaged",
    ),
    "shapes without file": (
        lambda s: (s / "shapes/spots/shapes.parquet").unlink(),
        "outlines of this element are missing",
    ),
    "shapes without geometry": (drop_geometry, "no geometry"),
    "no instance key": (drop_instance_key, "has no instance_key"),
    "no transformation": (drop_transformation, "no coordinate transformation"),
    "strange transformation": (strange_transformation, "displacements"),
    "ids of others": (other_ids, "No row of the table 'table' belongs to an instance"),
    "table cut off": (lambda s: truncate(s / "tables/table/zarr.json"), "damaged.*table"),
    "table without obs": (lambda s: shutil.rmtree(s / "tables/table/obs"), "not an AnnData table"),
    "column missing": (lambda s: shutil.rmtree(s / "tables/table/obs/id"), "id"),
    "table without rows": (empty_table, "no observations"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_clear_error_and_nothing_changed(copy: Path, case: str) -> None:
    damage, message = CASES[case]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        damage(copy)
    before = tree_hash(copy)
    with pytest.raises(StmlError, match=message):
        Section.open(copy)
    assert tree_hash(copy) == before


@pytest.mark.parametrize(
    ("file", "note"),
    [
        ("points/tx/zarr.json", "points 'tx' left out"),
        ("shapes/annotations/zarr.json", "shapes 'annotations' left out"),
    ],
)
def test_a_damaged_extra_is_a_note(copy: Path, file: str, note: str) -> None:
    truncate(copy / file)
    with Section.open(copy) as section:
        assert any(note in n for n in section.notes)
        assert section.observations is not None


def test_missing_chunk_files_of_points_say_so(copy: Path) -> None:
    shutil.rmtree(copy / "points/tx/points.parquet")
    with Section.open(copy) as section:
        points = next(e for e in section.elements if e.name == "tx")
        with pytest.raises(StmlError, match="parquet files of this element are missing"):
            points.load()


def test_stale_consolidated_metadata_do_not_matter_locally(copy: Path) -> None:
    shutil.move(copy / "shapes/cells", copy / "shapes/renamed")
    shutil.rmtree(copy / "tables/cell_table")
    with Section.open(copy) as section:
        assert "renamed" in {e.name for e in section.elements}


def test_names_of_any_script_and_read_only_folders(copy: Path, tmp_path: Path) -> None:
    path = tmp_path / "Präparat 组织 #1.zarr"
    copy.rename(path)
    folders = [path, *(p for p in path.rglob("*") if p.is_dir())]
    for folder in folders:
        os.chmod(folder, 0o555)
    try:
        with Section.open(str(path)) as section:
            assert section.name == "Präparat 组织 #1"
            assert np.isfinite(section.gene("g1")).all()
            assert section.images["he"].slide.read(0, 0, 1, 4, 4).shape == (4, 4, 3)
    finally:
        for folder in folders:
            os.chmod(folder, 0o755)
