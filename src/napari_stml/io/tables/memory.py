"""A table that lies in memory."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import StmlError
from napari_stml.io.tables.base import FloatVector, Table
from napari_stml.io.tables.frame import tidy
from napari_stml.io.tables.names import checked_obs_names, positions, unique_var_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    import anndata as ad
    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csc_matrix, csr_matrix


class MemoryTable(Table):
    """An AnnData already in memory; it is not copied and must not be changed afterwards."""

    def __init__(self, adata: ad.AnnData, *, name: str = "RNA", source: str = "memory") -> None:
        self._adata = adata
        self.name = name
        self.source = source
        self._by_column: dict[str | None, csc_matrix] = {}
        self._obs_names = checked_obs_names(adata.obs_names, source)

    @property
    def obs_names(self) -> NDArray[np.object_]:
        return self._obs_names

    @cached_property
    def var_names(self) -> NDArray[np.object_]:
        return unique_var_names(self._adata.var_names)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(str(c) for c in self._adata.obs.columns)

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self._adata.layers.keys())

    @property
    def obsm_keys(self) -> tuple[str, ...]:
        return tuple(self._adata.obsm.keys())

    @property
    def obsp_keys(self) -> tuple[str, ...]:
        return tuple(self._adata.obsp.keys())

    def column(self, name: str) -> pd.Series[Any]:
        if name not in self.columns:
            raise self._unknown("column", name)
        return tidy(self._adata.obs[name], self._adata.obs_names, name)

    def var(self) -> pd.DataFrame:
        var: pd.DataFrame = self._adata.var.copy()
        var.index = self.var_names
        return var

    def obsm(self, key: str) -> NDArray[Any]:
        value = self._obsm(key)
        dense = value.toarray() if hasattr(value, "toarray") else np.asarray(value)
        return dense[:, None] if dense.ndim == 1 else dense

    def obsm_names(self, key: str) -> tuple[str, ...]:
        value = self._obsm(key)
        if hasattr(value, "columns"):
            return tuple(str(c) for c in value.columns)
        return tuple(str(i) for i in range(value.shape[1] if value.ndim > 1 else 1))

    def uns(self, key: str) -> Any:
        return self._adata.uns[key]

    def gene(self, name: str, layer: str | None = None) -> FloatVector:
        return self.genes([name], layer)[:, 0]

    def genes(self, names: Sequence[str], layer: str | None = None) -> NDArray[np.float32]:
        from scipy.sparse import csc_matrix, issparse

        js = positions(self.var_names, list(names))
        if (js < 0).any():
            raise self._unknown("gene", str(names[int(np.argmin(js))]))
        matrix = self._matrix(layer)
        if not issparse(matrix):
            return np.asarray(matrix[:, js], dtype=np.float32)
        if layer not in self._by_column:
            self._by_column[layer] = csc_matrix(matrix, dtype=np.float32)
        return np.asarray(self._by_column[layer][:, js].toarray(), dtype=np.float32)

    def rows(self, index: NDArray[np.intp], layer: str | None = None) -> csr_matrix:
        from scipy.sparse import csr_matrix

        return csr_matrix(self._matrix(layer)[np.asarray(index, dtype=np.intp)])

    def to_anndata(self, index: NDArray[np.intp] | None = None) -> ad.AnnData:
        adata = self._adata if index is None else self._adata[np.asarray(index)]
        adata = adata.copy()
        adata.var_names = self.var_names
        return adata

    def close(self) -> None:
        self._by_column.clear()

    def _matrix(self, layer: str | None) -> Any:
        if layer is not None and layer not in self.layers:
            raise self._unknown("layer", layer)
        matrix = self._adata.X if layer is None else self._adata.layers[layer]
        if matrix is None:
            raise StmlError(f"The table '{self.name}' has no matrix", where=self.source)
        return matrix

    def _obsm(self, key: str) -> Any:
        if key not in self.obsm_keys:
            raise self._unknown("obsm entry", key)
        return self._adata.obsm[key]

    def _unknown(self, what: str, name: str) -> StmlError:
        return StmlError(
            f"There is no {what} '{name}' in the table '{self.name}'",
            where=self.source,
            do=f"choose one of the {what}s listed for this table",
        )
