"""An ``.h5ad`` that scanpy and squidpy open as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotSaveError
from napari_stml.io.tables.names import align
from napari_stml.io.take_out.key_names import KeyNames, valid_key
from napari_stml.io.take_out.selection import aligned_columns, chosen, storable
from napari_stml.io.take_out.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_stml.io.contents import Observations
    from napari_stml.io.tables.base import Table

BLOCK_ROWS = 20_000
IMAGE_LIMIT_PX = 2_000
SIDE_TABLE_LIMIT = 2_000
"""Further modalities up to this width go into obsm (a protein panel has tens of markers)."""


@dataclass(frozen=True)
class TakenOut:
    """What was written.

    ``left_out`` counts chosen observations that the table does not have: a row of zeros would
    say that nothing was measured there.
    """

    path: Path
    observations: int
    variables: int
    left_out: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageForSpots:
    """A small image for `uns`.

    Attributes
    ----------
    pixels
        (height, width, 3) uint8, at most 2,000 pixels a side.
    scale
        Its pixels per level-0 pixel of the reference image.
    """

    pixels: NDArray[np.uint8]
    scale: float


def to_h5ad(
    path: str | Path,
    observations: Observations,
    tables: Mapping[str, Table],
    *,
    main: str | None = None,
    columns: pd.DataFrame | None = None,
    embeddings: Mapping[str, pd.DataFrame | NDArray[Any]] | None = None,
    selection: ArrayLike | None = None,
    library: str = "section",
    image: ImageForSpots | None = None,
    um_per_px: float | None = None,
    names: Mapping[str, str] | None = None,
    overwrite: bool = False,
    report: Callable[[float], None] | None = None,
) -> TakenOut:
    """Write observations with their table, values and image; streamed, whatever the size.

    Parameters
    ----------
    tables
        By modality; ``main`` (the first one by default) becomes X, small other ones become
        data frames in obsm. Without any the file holds positions and columns only.
    columns
        Further obs columns indexed by observation names, for example a Run's values. A column
        of the table with the same name gives way.
    embeddings
        Further obsm entries: an array with one row per observation of the section, or a data
        frame indexed by names.
    selection
        Mask, positions or names of observations; all when None.
    library
        Key under ``uns["spatial"]``.
    names
        As of `KeyNames`, for programs that expect keys of their own.
    report
        Gets the part done, 0 to 1.
    """
    rows = chosen(observations, selection)
    keys = KeyNames(names or {})
    table = tables[main or next(iter(tables))] if tables else None
    index = np.full(len(rows), -1, dtype=np.intp)
    left_out, notes = 0, []
    if table is not None:
        index, missing = align(table, observations.names[rows])
        left_out = int(missing.sum())
        rows, index = rows[~missing], index[~missing]
        if not len(rows):
            raise CannotSaveError(
                "The table has none of the selected observations",
                where=table.source,
                do="choose another table or selection",
            )
        if left_out:
            notes.append(f"{left_out:,} observations that the table lacks were left out.")
    skeleton = _Skeleton(observations, rows, table, index, keys)
    adata = skeleton.build(columns, embeddings or {}, library, image, um_per_px)
    notes += skeleton.add_side_tables(adata, {k: t for k, t in tables.items() if t is not table})
    with whole_file(path, overwrite=overwrite) as staged:
        adata.write_h5ad(staged, compression="gzip")
        if table is not None:
            _write_matrices(staged, table, index, keys, report or (lambda done: None))
    return TakenOut(Path(path), adata.n_obs, adata.n_vars, left_out, tuple(notes))


@dataclass(frozen=True)
class _Skeleton:
    """Everything but the matrices."""

    observations: Observations
    rows: NDArray[np.intp]
    table: Table | None
    index: NDArray[np.intp]
    keys: KeyNames

    def build(
        self,
        columns: pd.DataFrame | None,
        embeddings: Mapping[str, pd.DataFrame | NDArray[Any]],
        library: str,
        image: ImageForSpots | None,
        um_per_px: float | None,
    ) -> Any:
        import anndata as ad
        import pandas as pd

        names = pd.Index(self.observations.names[self.rows], dtype=object)
        var = pd.DataFrame(index=pd.Index([], dtype=object))
        if self.table is not None:
            var = self.table.var()
            var = pd.DataFrame(
                {valid_key(str(c)): storable(var[c]) for c in var.columns},
                index=pd.Index(self.table.var_names, dtype=object),
            )
        adata = ad.AnnData(obs=self._obs(columns, names), var=var)
        for key, value in self._obsm(embeddings, names).items():
            adata.obsm[key] = value
        xy = self.observations.xy[self.rows]
        adata.obsm[self.keys.of("obsm", "spatial")] = np.asarray(xy, dtype=np.float64)
        entry = self._spatial(image, um_per_px)
        adata.uns[self.keys.of("uns", "spatial")] = {valid_key(library): entry}
        return adata

    def _obs(self, columns: pd.DataFrame | None, names: pd.Index) -> pd.DataFrame:
        import pandas as pd

        found: dict[str, pd.Series[Any]] = {}
        if self.table is not None:
            for column in self.table.columns:
                found[column] = self.table.column(column).iloc[self.index]
        lattice = self.observations.lattice
        if lattice is not None:
            found.setdefault("in_tissue", pd.Series(np.ones(len(names), dtype=np.int64)))
            found.setdefault("array_row", pd.Series(lattice.rows[self.rows]))
            found.setdefault("array_col", pd.Series(lattice.cols[self.rows]))
        found |= aligned_columns(columns, self.observations.names[self.rows])
        renamed = self.keys.all("obs", found)
        return pd.DataFrame(
            {renamed[c]: storable(v.set_axis(names)) for c, v in found.items()}, index=names
        )

    def _obsm(
        self, embeddings: Mapping[str, pd.DataFrame | NDArray[Any]], names: pd.Index
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.table is not None:
            for key in self.table.obsm_keys:
                if key != "spatial":
                    found[key] = self.table.obsm(key)[self.index]
        for key, value in embeddings.items():
            if hasattr(value, "reindex"):
                frame = value.reindex(names).set_axis(names)
                found[key] = frame.rename(columns=lambda c: valid_key(str(c)))
            else:
                found[key] = np.asarray(value)[self.rows]
        renamed = self.keys.all("obsm", [*found, "spatial"])
        return {renamed[k]: v for k, v in found.items()}

    def _spatial(self, image: ImageForSpots | None, um_per_px: float | None) -> dict[str, Any]:
        scalefactors: dict[str, float] = {
            "spot_diameter_fullres": float(self._diameter_px()),
            "tissue_hires_scalef": 1.0,
        }
        entry: dict[str, Any] = {"images": {}, "scalefactors": scalefactors, "metadata": {}}
        if image is not None:
            if max(image.pixels.shape[:2]) > IMAGE_LIMIT_PX:
                raise ValueError(f"the image {image.pixels.shape} exceeds {IMAGE_LIMIT_PX} px")
            entry["images"]["hires"] = image.pixels
            scalefactors["tissue_hires_scalef"] = float(image.scale)
        if um_per_px is not None:
            entry["metadata"]["um_per_px"] = float(um_per_px)
        return entry

    def _diameter_px(self) -> float:
        if self.observations.radius_px:
            return 2 * self.observations.radius_px
        xy = self.observations.xy
        finite = xy[np.isfinite(xy).all(axis=1)]
        if len(finite) < 2:
            return 1.0
        from scipy.spatial import cKDTree

        some = finite[:: max(1, len(finite) // 2_000)]
        nearest = cKDTree(finite).query(some, k=2)[0][:, 1]
        return float(np.median(nearest)) or 1.0

    def add_side_tables(self, adata: Any, others: Mapping[str, Table]) -> list[str]:
        """Put small further modalities into obsm; say which were too wide."""
        import pandas as pd

        notes = []
        names = self.observations.names[self.rows]
        for modality, table in others.items():
            if table.shape[1] > SIDE_TABLE_LIMIT or not table.shape[1]:
                notes.append(
                    f"'{modality}' ({table.shape[1]:,} variables) was left out; "
                    "take it out by itself."
                )
                continue
            index, missing = align(table, names)
            counts = table.rows(np.where(missing, 0, index)).toarray().astype(np.float32)
            counts[missing] = np.nan
            columns = [valid_key(str(v)) for v in table.var_names]
            key = self.keys.of("obsm", modality)
            adata.obsm[key] = pd.DataFrame(counts, index=adata.obs_names, columns=columns)
        return notes


def _write_matrices(
    path: Path,
    table: Table,
    index: NDArray[np.intp],
    keys: KeyNames,
    report: Callable[[float], None],
) -> None:
    """Append rows block by block: the matrix is never held as a whole."""
    import h5py
    from anndata.io import sparse_dataset, write_elem

    places: dict[str, str | None] = {"X": None} if getattr(table, "has_x", True) else {}
    if keys.x_as_layer and places:
        places[f"layers/{keys.x_as_layer}"] = None
    for layer, new in keys.all("layers", [k for k in table.layers if k != "raw"]).items():
        places.setdefault(f"layers/{new}", layer)
    steps = [(p, a) for p in places for a in range(0, len(index), BLOCK_ROWS)]
    with h5py.File(path, "r+") as file:
        if "X" in places and "X" in file:
            del file["X"]
        for done, (place, first) in enumerate(steps):
            block = table.rows(index[first : first + BLOCK_ROWS], places[place])
            if first:
                sparse_dataset(file[place]).append(block)
            else:
                write_elem(
                    file,
                    place,
                    block,
                    dataset_kwargs={"compression": "gzip", "compression_opts": 1},
                )
            report((done + 1) / len(steps))
