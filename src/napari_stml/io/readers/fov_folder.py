"""Folders ``fov1/``, ``fov2/``, ... with one image and one .h5ad each, as one section."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.contents import Contents, Observations
from napari_stml.io.readers import cosmx_scale
from napari_stml.io.readers.field_layout import (
    GLOBAL_KEYS,
    LOCAL_KEYS,
    Field,
    gridded,
    keys_in_all,
    positions_by_key,
    share_inside,
    stitched_by_cells,
    stitched_by_origins,
)
from napari_stml.io.readers.instrument_files import is_folder, matching, one_of, read_frame
from napari_stml.io.readers.placing import placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import anndata as ad
    import pandas as pd
    from numpy.typing import NDArray

    from napari_stml.core.geometry import Affine

FIELD_COLUMN = "FOV"
IMAGE_PATTERNS = ("*.jpg", "*.jpeg", "*.png", "*.tif", "*.tiff")
_FIELD_FOLDER = re.compile(r"^fov[ _-]?(\d+)$", re.IGNORECASE)
_NO_PHOTOGRAPH = re.compile(r"label|mask|overlay|compartment", re.IGNORECASE)


class FovFolder:
    """Reads sets of fields of view."""

    format = "Fields of view (fovN folders)"

    def claims(self, path: object) -> bool:
        if not (isinstance(path, Path) and is_folder(path)):
            return False
        return any(matching(folder, "*.h5ad") for folder in field_folders(path).values())

    def read(self, path: Path, *, layout: str = "grid", positions: str | None = None) -> Contents:
        """Read; tables are joined in memory, images are lazy.

        Parameters
        ----------
        layout
            "grid" (row by row, with a gap) or "stitched" (by global positions, when there are
            any: of the cells, or of a ``*fov_positions*.csv``).
        positions
            On the field's image: an entry of obsm, or two columns of obs as "x,y". By default
            the first usual key that puts the cells on the images.
        """
        from napari_stml.io.tables.memory import MemoryTable

        fields = _read_fields(path)
        keys = keys_in_all(fields, LOCAL_KEYS)
        key = _local_key(fields, keys, positions, path)
        local = [_finite(field, key) for field in fields]
        stitches = keys_in_all(fields, GLOBAL_KEYS)
        table_of_fields = _fields_frame(path)
        possible = ("grid", "stitched") if stitches or table_of_fields is not None else ("grid",)
        layout = one_of("layout", layout, possible, path)
        if layout == "grid":
            affines: list[Affine] | None = gridded(fields)
        elif stitches:
            affines = stitched_by_cells(fields, local, stitches[0])
        else:
            affines = stitched_by_origins(fields, _origins(table_of_fields))
        if affines is None:
            raise CannotOpenError(
                "The positions file does not name all fields of view",
                where=path,
                do="open with layout=grid",
            )
        adata, notes = _joined(fields, path)
        reference = fields[0].slide
        um, guess, how = cosmx_scale.um_per_px(
            adata.obs, table_of_fields, (reference.width, reference.height)
        )
        xy = np.vstack([a(points) for a, points in zip(affines, local, strict=True)])
        names = np.array(adata.obs_names.to_list(), dtype=object)
        return Contents(
            name=path.name,
            format=self.format,
            images={
                field.name: placed(field.slide, affine)
                for field, affine in zip(fields, affines, strict=True)
            },
            observations=Observations("cells", names, xy),
            tables={"RNA": MemoryTable(adata, name="RNA", source=f"{path}/fov*/*.h5ad")},
            um_per_px=um,
            um_per_px_guess=guess if _from_cosmx(fields) else None,
            choices={"layout": possible, "positions": keys},
            chosen={"layout": layout, "positions": key},
            notes=(how, *notes, *_outside(fields, local)),
        )


def field_folders(path: Path) -> dict[int, Path]:
    """Folders by number, in the order of numbers."""
    found = ((_FIELD_FOLDER.match(p.name), p) for p in path.iterdir() if p.is_dir())
    return dict(sorted((int(match[1]), folder) for match, folder in found if match))


def _read_fields(path: Path) -> list[Field]:
    from napari_stml.io.slides import open_slide
    from napari_stml.io.tables.disk import DiskTable

    fields: list[Field] = []
    for number, folder in field_folders(path).items():
        table_path = _only(folder, ("*.h5ad",), "table (.h5ad)")
        image_path = _only(folder, IMAGE_PATTERNS, "image")
        table = DiskTable(table_path)
        cells = table.to_anndata()
        table.close()
        fields.append(Field(folder.name, number, cells, open_slide(image_path), folder))
    if not fields:
        raise CannotOpenError("There are no folders fov1, fov2, ...", where=path)
    return fields


def _from_cosmx(fields: Sequence[Field]) -> bool:
    """By the images' names; other instruments have other pixels."""
    return all("CellComposite" in Path(field.slide.uri).name for field in fields)


def _only(folder: Path, patterns: Sequence[str], what: str) -> Path:
    found = [p for p in matching(folder, *patterns) if not _NO_PHOTOGRAPH.search(p.name)]
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise CannotOpenError(
            f"A field of view has one {what}, here: {names}",
            where=folder,
            do=f"leave one {what} in this folder, or move the folder away",
        )
    return found[0]


def _local_key(fields: Sequence[Field], keys: Sequence[str], asked: str | None, path: Path) -> str:
    if asked is not None:
        if any(positions_by_key(field.cells, asked) is None for field in fields):
            return one_of("positions", asked, [k for k in keys if k != asked], path)
        return asked
    if not keys:
        raise CannotOpenError(
            "No positions are common to all fields of view; looked for " + ", ".join(LOCAL_KEYS),
            where=path,
            do="name an entry of obsm, or two columns of obs as positions=x,y",
        )
    return max(keys, key=lambda key: _all_inside(fields, key))


def _all_inside(fields: Sequence[Field], key: str) -> float:
    """Mean share of cells on their images; `max` keeps the first of equals."""
    shares = []
    for field in fields:
        xy = positions_by_key(field.cells, key)
        shares.append(share_inside(field, xy) if xy is not None else 0.0)
    return round(float(np.mean(shares)), 2)


def _finite(field: Field, key: str) -> NDArray[np.float64]:
    xy = positions_by_key(field.cells, key)
    if xy is None or not np.isfinite(xy).all():
        raise CannotOpenError(
            f"Some positions in {key} are missing or infinite",
            where=field.path,
            do="remove these cells, or choose other positions",
        )
    return xy


def _fields_frame(path: Path) -> pd.DataFrame | None:
    found = matching(path, "*fov_positions*.csv", "*fov_positions*.csv.gz")
    if not found:
        return None
    frame = read_frame(found[0]).rename(columns={"FOV": "fov"})
    return frame if {"fov", "x_global_px", "y_global_px"} <= set(frame.columns) else None


def _origins(frame: pd.DataFrame | None) -> dict[int, NDArray[np.float64]]:
    if frame is None:
        return {}
    rows = frame[["fov", "x_global_px", "y_global_px"]].to_numpy(dtype=np.float64)
    return {int(f): np.array([x, y]) for f, x, y in rows if np.isfinite([f, x, y]).all()}


def _joined(fields: Sequence[Field], path: Path) -> tuple[ad.AnnData, tuple[str, ...]]:
    """All fields in one table with their common variables and an FOV column."""
    import anndata as ad
    import pandas as pd

    notes: list[str] = []
    every = pd.Index(np.concatenate([field.cells.obs_names for field in fields]))
    if every.has_duplicates:
        for field in fields:
            field.cells.obs_names = [f"{field.name}_{n}" for n in field.cells.obs_names]
        notes.append("cell names got the field's name in front: they repeat between fields")
    common = set.intersection(*(set(field.cells.var_names) for field in fields))
    union = set.union(*(set(field.cells.var_names) for field in fields))
    if not common and union:
        raise CannotOpenError("The fields of view have no gene in common", where=path)
    if len(common) < len(union):
        notes.append(f"{len(union) - len(common)} genes are not in all fields and are left out")
    parts = [field.cells for field in fields]
    joined = ad.concat(parts, join="inner", merge="same")
    names = [field.name for field in fields]
    values = np.repeat(names, [part.n_obs for part in parts])
    joined.obs[FIELD_COLUMN] = pd.Categorical(values, categories=names)
    return joined, tuple(notes)


def _outside(fields: Sequence[Field], local: Sequence[NDArray[np.float64]]) -> tuple[str, ...]:
    counts = [
        round((1 - share_inside(field, xy)) * len(xy))
        for field, xy in zip(fields, local, strict=True)
    ]
    return (f"{sum(counts)} cells lie outside their image",) if sum(counts) else ()


READER = FovFolder()
