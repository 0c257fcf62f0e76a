"""A table in an AnnData tree on disk: h5ad, h5mu's modalities, zarr v2 and v3, remote zarr."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.tables import frame
from napari_stml.io.tables.base import FloatVector, Table
from napari_stml.io.tables.lazy import LazyMatrix
from napari_stml.io.tables.matrix import OnDisk, matrix_on_disk
from napari_stml.io.tables.names import checked_obs_names, positions, unique_var_names
from napari_stml.io.tables.tree import Tree, reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    import anndata as ad
    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.io.tables.gene_cache import Report

RAW = "raw"


class DiskTable(Table):
    """An AnnData tree of which nothing is loaded before it is asked.

    ``raw`` appears as a layer named "raw" when it knows every variable of the table (and no
    real layer has that name); `gene` then accepts any variable of raw with ``layer="raw"``,
    `genes` and `rows` give the table's variables in the table's order. A table without X
    (a Run's) has 0 variables or only layers.

    Parameters
    ----------
    where, key
        As of `Tree`: a path, URL, fsspec mapper, zarr store or open group; and a group inside.
    name
        Shown to the user; the key's last part, or "RNA", when not given.
    """

    def __init__(self, where: Any, *, key: str = "", name: str | None = None) -> None:
        self._tree = Tree(where, key)
        self.source = self._tree.source
        self.name = name or key.strip("/").rpartition("/")[2] or "RNA"
        self._matrices: dict[str, LazyMatrix] = {}
        root = self._tree.group
        if not frame.is_group(root) or "obs" not in root or "var" not in root:
            raise CannotOpenError(
                "This is not an AnnData table (obs or var is missing)",
                where=self.source,
                do="choose a file written by anndata, scanpy or spatialdata",
            )
        with reading(self.source, "The table cannot be read"):
            for part in ("obs", "var"):
                frame.check_frame(root[part], part, self.source)
            self._shape = frame.frame_length(root["obs"]), frame.frame_length(root["var"])
            if not self._shape[0]:
                raise CannotOpenError("The table has no observations", where=self.source)
            for layer in (None, *self.layers) if self._has_x else self.layers:
                self._on_disk(layer)

    @property
    def shape(self) -> tuple[int, int]:
        return self._shape

    @cached_property
    def obs_names(self) -> NDArray[np.object_]:
        with reading(self.source, "The names of the observations cannot be read"):
            return checked_obs_names(frame.frame_index(self._tree.group["obs"]), self.source)

    @cached_property
    def var_names(self) -> NDArray[np.object_]:
        with reading(self.source, "The names of the variables cannot be read"):
            return unique_var_names(frame.frame_index(self._tree.group["var"]))

    @cached_property
    def raw_names(self) -> NDArray[np.object_]:
        """Names of raw's variables; empty where there is no raw."""
        root = self._tree.group
        if RAW not in root or not frame.is_group(root[RAW]) or "var" not in root[RAW]:
            return np.array([], dtype=object)
        with reading(f"{self.source}/raw", "The names of raw's variables cannot be read"):
            return unique_var_names(frame.frame_index(root[RAW]["var"]))

    @property
    def columns(self) -> tuple[str, ...]:
        return frame.frame_columns(self._tree.group["obs"])

    @cached_property
    def layers(self) -> tuple[str, ...]:
        found = self._keys("layers")
        names = self.raw_names
        if len(names) and RAW not in found and (positions(names, self.var_names) >= 0).all():
            found = (*found, RAW)
        return found

    @property
    def obsm_keys(self) -> tuple[str, ...]:
        return self._keys("obsm")

    @property
    def obsp_keys(self) -> tuple[str, ...]:
        return self._keys("obsp")

    def column(self, name: str) -> pd.Series[Any]:
        if name not in self.columns:
            raise self._unknown("column", name)
        with reading(f"{self.source}/obs/{name}", "The column cannot be read"):
            values = frame.read_column(self._tree.group["obs"], name)
            return frame.tidy(values, self._obs_index, name)

    def is_category(self, name: str) -> bool:
        with reading(f"{self.source}/obs/{name}", "The column cannot be read"):
            return frame.is_text(self._tree.group["obs"][name])

    def var(self) -> pd.DataFrame:
        import pandas as pd

        with reading(f"{self.source}/var", "The variables cannot be read"):
            index = pd.Index(self.var_names, dtype=object)
            return frame.read_frame(self._tree.group["var"], index)

    def obsm(self, key: str) -> NDArray[Any]:
        value = self._obsm(key)
        if hasattr(value, "toarray"):
            value = value.toarray()
        dense = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
        dense = dense[:, None] if dense.ndim == 1 else dense
        if dense.shape[0] != self._shape[0]:
            raise CannotOpenError(
                f"It has {dense.shape[0]} rows for {self._shape[0]} observations",
                where=f"{self.source}/obsm/{key}",
            )
        return dense

    def obsm_names(self, key: str) -> tuple[str, ...]:
        node = self._obsm_node(key)
        if frame.is_group(node) and "dataframe" in str(node.attrs.get("encoding-type", "")):
            return frame.frame_columns(node)
        shape = node.attrs["shape"] if frame.is_group(node) else node.shape
        return tuple(str(i) for i in range(int(shape[1]) if len(shape) > 1 else 1))

    def uns(self, key: str) -> Any:
        """One entry; a path ("spatial/library/scalefactors") reads only that part."""
        root = self._tree.group
        if "uns" not in root or key not in root["uns"]:
            raise KeyError(key)
        return self._read(f"uns/{key}")

    @property
    def uns_keys(self) -> tuple[str, ...]:
        return self._keys("uns")

    def gene(self, name: str, layer: str | None = None) -> FloatVector:
        return self._matrix(layer).gene(int(self._places([name], layer)[0]))

    def genes(self, names: Sequence[str], layer: str | None = None) -> NDArray[np.float32]:
        return self._matrix(layer).genes(self._places(names, layer))

    def rows(self, index: NDArray[np.intp], layer: str | None = None) -> csr_matrix:
        found = self._matrix(layer).rows(index)
        return found[:, self._raw_columns] if layer == RAW and self._is_raw else found

    def genes_ready(self, layer: str | None = None) -> bool:
        """Whether `gene` answers at once (False: the first call turns the matrix)."""
        return self._matrix(layer).ready

    def prepare_genes(self, layer: str | None = None, report: Report | None = None) -> None:
        """Make `gene` quick; ``report`` gets the part done, 0 to 1."""
        self._matrix(layer).prepare(report)

    def to_anndata(self, index: NDArray[np.intp] | None = None) -> ad.AnnData:
        from napari_stml.io.tables.loading import load

        return load(self, self._tree.group, index)

    def close(self) -> None:
        for matrix in self._matrices.values():
            matrix.release()
        self._tree.close()

    @property
    def has_x(self) -> bool:
        return self._has_x

    def matrix_as_stored(self, index: NDArray[np.intp], layer: str | None = None) -> Any:
        """Rows of X or a layer: an array where it is dense on disk, else CSR."""
        return self._matrix(layer).rows_as_stored(index)

    @cached_property
    def _has_x(self) -> bool:
        root = self._tree.group
        if "X" not in root:
            return False
        return str(root["X"].attrs.get("encoding-type", "")) != "null"

    @cached_property
    def _obs_index(self) -> pd.Index:
        import pandas as pd

        return pd.Index(self.obs_names, dtype=object)

    @cached_property
    def _raw_columns(self) -> NDArray[np.intp]:
        return positions(self.raw_names, self.var_names)

    @cached_property
    def _is_raw(self) -> bool:
        """Whether the layer "raw" is anndata's raw rather than a layer of that name."""
        return RAW in self.layers and RAW not in self._keys("layers")

    def _keys(self, part: str) -> tuple[str, ...]:
        root = self._tree.group
        return tuple(sorted(root[part].keys())) if part in root else ()

    def _places(self, names: Sequence[str], layer: str | None) -> NDArray[np.intp]:
        known = self.raw_names if layer == RAW and self._is_raw else self.var_names
        found = positions(known, list(names))
        if (found < 0).any():
            raise self._unknown("gene", str(names[int(np.argmin(found))]))
        return found

    def _unknown(self, what: str, name: str) -> StmlError:
        return StmlError(
            f"There is no {what} '{name}' in the table '{self.name}'",
            where=self.source,
            do=f"choose one of the {what}s listed for this table",
        )

    def _matrix(self, layer: str | None) -> LazyMatrix:
        if layer is not None and layer not in self.layers:
            raise self._unknown("layer", layer)
        if layer is None and not self._has_x:
            raise StmlError(f"The table '{self.name}' has no matrix", where=self.source)
        node = self._node(layer)
        if node not in self._matrices:
            self._matrices[node] = LazyMatrix(
                partial(self._on_disk, layer),
                partial(self._tree.identity, node),
                f"{self.source}/{node}",
            )
        return self._matrices[node]

    def _node(self, layer: str | None) -> str:
        if layer is None:
            return "X"
        return "raw/X" if layer == RAW and self._is_raw else f"layers/{layer}"

    def _on_disk(self, layer: str | None) -> OnDisk:
        node = self._node(layer)
        width = len(self.raw_names) if node == "raw/X" else self._shape[1]
        where = f"{self.source}/{node}"
        with reading(where, "The matrix cannot be read"):
            return matrix_on_disk(self._tree.group[node], (self._shape[0], width), where)

    def _obsm_node(self, key: str) -> Any:
        if key not in self._keys("obsm"):
            raise self._unknown("obsm entry", key)
        return self._tree.group["obsm"][key]

    def _obsm(self, key: str) -> Any:
        self._obsm_node(key)
        return self._read(f"obsm/{key}")

    def _read(self, node: str) -> Any:
        with reading(f"{self.source}/{node}", "This part of the table cannot be read"):
            return frame.read_part(self._tree.group[node])
