"""A table of a tree, or some of its rows, as an AnnData in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.io.tables import frame
from napari_stml.io.tables.tree import reading

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

    from napari_stml.io.tables.disk import DiskTable


def load(table: DiskTable, group: Any, index: NDArray[np.intp] | None) -> ad.AnnData:
    """Read the parts one by one; only the asked rows of the matrices are held."""
    import anndata as ad
    import pandas as pd

    rows = np.arange(table.shape[0]) if index is None else np.asarray(index, dtype=np.intp)
    names = pd.Index(table.obs_names[rows], dtype=object)
    var = table.var()
    with reading(table.source, "The table cannot be read"):
        obs = pd.DataFrame({c: table.column(c).iloc[rows] for c in table.columns}, index=names)
        adata = ad.AnnData(
            X=table.matrix_as_stored(rows) if table.has_x else None,
            obs=obs,
            var=var,
            obsm={k: _taken(group["obsm"][k], rows, names) for k in table.obsm_keys},
            varm=_all(group, "varm", var.index),
            varp=_all(group, "varp"),
            uns=_all(group, "uns"),
        )
        for key in _all_keys(group, "layers"):
            adata.layers[key] = table.matrix_as_stored(rows, key)
        for key in _all_keys(group, "obsp"):
            adata.obsp[key] = _square(group["obsp"][key], rows)
        if "raw" in table.layers and "raw" not in adata.layers:
            adata.raw = _raw(table, group["raw"], rows, adata)
    return adata


def _raw(table: DiskTable, node: Any, rows: NDArray[np.intp], adata: ad.AnnData) -> Any:
    import anndata as ad
    import pandas as pd

    index = pd.Index(table.raw_names, dtype=object)
    return ad.AnnData(
        X=table.matrix_as_stored(rows, "raw"),
        obs=pd.DataFrame(index=adata.obs_names),
        var=frame.read_frame(node["var"], index),
    )


def _all_keys(group: Any, part: str) -> list[str]:
    return sorted(group[part].keys()) if part in group else []


def _all(group: Any, part: str, index: Any = None) -> dict[str, Any]:
    read = {k: frame.read_part(group[part][k]) for k in _all_keys(group, part)}
    if index is not None:
        for value in read.values():
            if hasattr(value, "set_axis"):
                value.index = index
    return read


def _taken(node: Any, rows: NDArray[np.intp], names: Any) -> Any:
    value = frame.read_part(node)
    if hasattr(value, "iloc"):
        value = value.iloc[rows]
        value.index = names
        return value
    return value[rows]


def _square(node: Any, rows: NDArray[np.intp]) -> Any:
    value = frame.read_part(node)
    return value[rows][:, rows]
