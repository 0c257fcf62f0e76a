"""Xenium's cell x feature counts: HDF5, the MTX folder, or the zipped Zarr."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError
from napari_stml.io.readers.instrument_files import RECOPY, as_text
from napari_stml.io.readers.obs_tables import tenx_tables

if TYPE_CHECKING:
    from pathlib import Path

    import zarr
    from numpy.typing import NDArray

    from napari_stml.io.tables.base import Table

STEM = "cell_feature_matrix"

MODALITIES = {"gene": "RNA", "Gene Expression": "RNA", "protein": "protein"}
CONTROLS = "controls"


def xenium_tables(folder: Path) -> dict[str, Table]:
    """Tables by modality; the lazy HDF5 first. Empty when there is no matrix."""
    if tables := tenx_tables(folder, STEM):
        return tables
    packed = folder / f"{STEM}.zarr.zip"
    return _zarr_tables(packed) if packed.is_file() else {}


def cell_ids_of(pairs: NDArray[np.uint32]) -> NDArray[np.object_]:
    """Cell ids from (prefix, suffix) numbers: hex digits as letters a-p, such as "ffkpbaba-1".

    Older files hold one number per cell, which is the id.
    """
    numbers = np.asarray(pairs)
    if numbers.ndim == 1:
        return as_text(numbers)
    shifts = np.arange(28, -4, -4, dtype=np.uint32)
    digits = (numbers[:, :1].astype(np.uint32) >> shifts) & 0xF
    letters = (digits + ord("a")).astype(np.uint8)
    prefix = [row.tobytes().decode("ascii") for row in letters]
    pair = zip(prefix, numbers[:, 1].tolist(), strict=True)
    return np.array([f"{p}-{s}" for p, s in pair], dtype=object)


def _zarr_tables(path: Path) -> dict[str, Table]:
    import zarr
    from zarr.storage import ZipStore

    try:
        store = ZipStore(path, mode="r")
        try:
            return _tables_of(zarr.open_group(store, mode="r"), path)
        finally:
            store.close()
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise CannotOpenError(
            f"Not a complete {STEM}.zarr.zip: {error}", where=path, do=RECOPY
        ) from error


def _tables_of(root: zarr.Group, path: Path) -> dict[str, Table]:
    """The matrix is stored by feature: ``indptr`` over features, ``indices`` of cells."""
    import anndata as ad
    import pandas as pd
    from scipy.sparse import csr_matrix

    from napari_stml.io.tables.memory import MemoryTable

    group: Any = root["cell_features"]
    attrs: dict[str, Any] = dict(group.attrs)
    shape = (int(attrs["number_features"]), int(attrs["number_cells"]))
    parts = tuple(np.asarray(group[name][...]) for name in ("data", "indices", "indptr"))
    by_feature = csr_matrix(parts, shape=shape)
    cells = cell_ids_of(np.asarray(group["cell_id"][...])[: shape[1]])
    var = pd.DataFrame(
        {"gene_ids": attrs["feature_ids"], "feature_types": attrs["feature_types"]},
        index=pd.Index(as_text(attrs["feature_keys"])),
    )
    modality = var["feature_types"].map(lambda t: MODALITIES.get(t, CONTROLS))
    tables: dict[str, Table] = {}
    for name in sorted(set(modality), key=lambda m: (m == CONTROLS, m)):
        rows = np.flatnonzero(modality == name)
        matrix = by_feature[rows].T.tocsr().astype(np.float32)
        adata = ad.AnnData(matrix, obs=pd.DataFrame(index=pd.Index(cells)), var=var.iloc[rows])
        tables[name] = MemoryTable(adata, name=name, source=f"{path}/cell_features")
    return tables
