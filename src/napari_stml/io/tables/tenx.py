"""10x Genomics' own matrices: ``*_feature_bc_matrix.h5`` (versions 2 and 3) and the MTX folder."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml.core.errors import CannotOpenError, StmlError
from napari_stml.io.tables.base import FloatVector, Table
from napari_stml.io.tables.lazy import LazyMatrix
from napari_stml.io.tables.matrix import OnDisk, SparseOnDisk
from napari_stml.io.tables.memory import MemoryTable
from napari_stml.io.tables.names import as_text, checked_obs_names, positions, unique_var_names
from napari_stml.io.tables.tree import Tree, reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    import anndata as ad
    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from napari_stml.io.tables.gene_cache import Report

EXPRESSION = "Gene Expression"
SHORT_NAMES = {
    EXPRESSION: "RNA",
    "Antibody Capture": "protein",
    "Protein Expression": "protein",
    "Peaks": "ATAC",
}


@dataclass(frozen=True)
class Features:
    """Ids, symbols and types of a 10x matrix' features, in its order."""

    ids: NDArray[np.object_]
    symbols: NDArray[np.object_]
    types: NDArray[np.object_]

    def modalities(self) -> dict[str, NDArray[np.intp]]:
        """Positions by feature type: gene expression first, then in the file's order."""
        kinds = list(dict.fromkeys(self.types))
        kinds.sort(key=lambda kind: kind != EXPRESSION)
        return {k: np.flatnonzero(self.types == k) for k in kinds}


class TenxTable(Table):
    """One modality of a 10x h5 file. The matrix is read when it is asked."""

    obsm_keys: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def __init__(
        self,
        tree: Tree,
        node: str,
        features: Features,
        picked: NDArray[np.intp],
        kind: str,
        n_obs: int,
    ) -> None:
        self._tree = tree
        self._node = node
        self._n_obs = n_obs
        self.name = SHORT_NAMES.get(kind, kind)
        self.source = f"{tree.source}::{node}"
        self.kind = kind
        self.ids = features.ids[picked]
        self._width = len(features.ids)
        self._symbols = features.symbols[picked]
        whole = len(picked) == self._width
        self._matrix = LazyMatrix(
            self._on_disk, partial(tree.identity, node), self.source, None if whole else picked
        )
        with reading(self.source, "The matrix cannot be read"):
            self._on_disk()

    @property
    def shape(self) -> tuple[int, int]:
        return self._n_obs, len(self.ids)

    @cached_property
    def obs_names(self) -> NDArray[np.object_]:
        with reading(self.source, "The barcodes cannot be read"):
            stored = self._tree.group[self._node]["barcodes"][...]
        return checked_obs_names(stored, self.source)

    @cached_property
    def var_names(self) -> NDArray[np.object_]:
        return unique_var_names(self._symbols)

    def var(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(
            {"gene_ids": self.ids, "feature_types": pd.Categorical([self.kind] * len(self.ids))},
            index=pd.Index(self.var_names, dtype=object),
        )

    def column(self, name: str) -> pd.Series[Any]:
        raise self._unknown("column", name)

    def obsm(self, key: str) -> NDArray[Any]:
        raise self._unknown("obsm entry", key)

    def obsm_names(self, key: str) -> tuple[str, ...]:
        raise self._unknown("obsm entry", key)

    def uns(self, key: str) -> Any:
        raise KeyError(key)

    def gene(self, name: str, layer: str | None = None) -> FloatVector:
        return self._matrix.gene(int(self._places([name], layer)[0]))

    def genes(self, names: Sequence[str], layer: str | None = None) -> NDArray[np.float32]:
        return self._matrix.genes(self._places(names, layer))

    def rows(self, index: NDArray[np.intp], layer: str | None = None) -> csr_matrix:
        if layer is not None:
            raise self._unknown("layer", layer)
        return self._matrix.rows(index)

    def genes_ready(self, layer: str | None = None) -> bool:
        return self._matrix.ready

    def prepare_genes(self, layer: str | None = None, report: Report | None = None) -> None:
        self._matrix.prepare(report)

    def to_anndata(self, index: NDArray[np.intp] | None = None) -> ad.AnnData:
        import anndata as ad
        import pandas as pd

        rows = np.arange(self._n_obs) if index is None else np.asarray(index, dtype=np.intp)
        obs = pd.DataFrame(index=pd.Index(self.obs_names[rows], dtype=object))
        return ad.AnnData(X=self.rows(rows), obs=obs, var=self.var())

    def close(self) -> None:
        self._matrix.release()
        self._tree.close()

    def _on_disk(self) -> OnDisk:
        group = self._tree.group[self._node]
        return SparseOnDisk(
            # Stored as features x barcodes by columns, which is barcodes x features by rows.
            "csr",
            (self._n_obs, self._width),
            group["data"],
            group["indices"],
            group["indptr"],
            self.source,
        )

    def _places(self, names: Sequence[str], layer: str | None) -> NDArray[np.intp]:
        if layer is not None:
            raise self._unknown("layer", layer)
        found = positions(self.var_names, list(names))
        if (found < 0).any():
            raise self._unknown("gene", str(names[int(np.argmin(found))]))
        return found

    def _unknown(self, what: str, name: str) -> StmlError:
        return StmlError(f"There is no {what} '{name}' in '{self.name}'", where=self.source)


def open_tenx_h5(path: str | Path) -> dict[str, Table]:
    """Open a 10x h5 matrix; one table per feature type, gene expression first.

    The keys are 10x's own words ("Gene Expression", "Antibody Capture", ...); a version 2 file
    of several genomes gives "Gene Expression (<genome>)" for each.
    """
    tree = Tree(path)
    root = tree.group
    with reading(tree.source):
        if "matrix" in root:
            nodes = {"matrix": ""}
        else:
            genomes = [k for k in root if hasattr(root[k], "keys") and "gene_names" in root[k]]
            nodes = {g: f" ({g})" if len(genomes) > 1 else "" for g in genomes}
        if not nodes:
            raise CannotOpenError(
                "This is not a 10x feature-barcode matrix",
                where=path,
                do="choose filtered_feature_bc_matrix.h5 of Space Ranger or Cell Ranger",
            )
        tables: dict[str, Table] = {}
        for node, suffix in nodes.items():
            for kind, table in _modalities(path, tree, node).items():
                tables[kind + suffix] = table
    tree.close()
    return tables


def _modalities(path: str | Path, tree: Tree, node: str) -> dict[str, Table]:
    group = tree.group[node]
    lacking = [k for k in ("barcodes", "data", "indices", "indptr", "shape") if k not in group]
    if lacking:
        raise CannotOpenError(f"The matrix lacks its {', '.join(lacking)}", where=tree.source)
    if "features" in group:
        stored = group["features"]
        features = Features(*(as_text(stored[k][...]) for k in ("id", "name", "feature_type")))
    else:
        ids = as_text(group["genes"][...])
        symbols = as_text(group["gene_names"][...])
        features = Features(ids, symbols, np.full(len(ids), EXPRESSION, dtype=object))
    shape = tuple(int(v) for v in group["shape"][...])
    n_obs = int(group["barcodes"].shape[0])
    if shape != (len(features.ids), n_obs):
        raise CannotOpenError(
            f"The matrix is {shape} but there are {len(features.ids)} features and "
            f"{n_obs} barcodes",
            where=tree.source,
        )
    if 0 in shape:
        raise CannotOpenError("The matrix is empty", where=tree.source)
    return {
        kind: TenxTable(Tree(path), node, features, picked, kind, n_obs)
        for kind, picked in features.modalities().items()
    }


def open_tenx_mtx(folder: str | Path) -> dict[str, Table]:
    """Read a 10x MTX folder (plain or gzipped, ``features.tsv`` or ``genes.tsv``) into memory."""
    import anndata as ad
    import pandas as pd
    from scipy.io import mmread
    from scipy.sparse import csr_matrix

    folder = Path(folder)
    matrix_file = _one_of(folder, "matrix.mtx")
    features = _read_features(_one_of(folder, "features.tsv", "genes.tsv"))
    barcodes = [line[0] for line in _read_tsv(_one_of(folder, "barcodes.tsv"))]
    names = checked_obs_names(np.array(barcodes, dtype=object), folder)
    with reading(matrix_file, "The matrix cannot be read"):
        counts = csr_matrix(mmread(matrix_file).T)
    if counts.shape != (len(names), len(features.ids)):
        raise CannotOpenError(
            f"The matrix is {counts.shape[1]} x {counts.shape[0]} but there are "
            f"{len(features.ids)} features and {len(names)} barcodes",
            where=matrix_file,
        )
    if not len(features.ids):
        raise CannotOpenError("The matrix is empty", where=matrix_file)
    if counts.dtype.kind in "iu":
        counts = counts.astype(np.float32)
    tables: dict[str, Table] = {}
    kinds = features.modalities()
    for kind, picked in kinds.items():
        var = pd.DataFrame(
            {
                "gene_ids": features.ids[picked],
                "feature_types": pd.Categorical([kind] * len(picked)),
            },
            index=pd.Index(unique_var_names(features.symbols[picked]), dtype=object),
        )
        adata = ad.AnnData(
            X=counts if len(kinds) == 1 else counts[:, picked],
            obs=pd.DataFrame(index=pd.Index(names, dtype=object)),
            var=var,
        )
        tables[kind] = MemoryTable(adata, name=SHORT_NAMES.get(kind, kind), source=str(folder))
    return tables


def _one_of(folder: Path, *names: str) -> Path:
    for name in names:
        for file in (folder / f"{name}.gz", folder / name):
            if file.is_file():
                return file
    raise CannotOpenError(
        f"There is no {' or '.join(names)}[.gz]",
        where=folder,
        do="choose the folder filtered_feature_bc_matrix",
    )


def _read_tsv(path: Path) -> list[list[str]]:
    with reading(path, "The list cannot be read"):
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    return [line.split("\t") for line in text.splitlines() if line.strip()]


def _read_features(path: Path) -> Features:
    lines = _read_tsv(path)
    ids = [line[0] for line in lines]
    symbols = [line[1] if len(line) > 1 else line[0] for line in lines]
    types = [line[2] if len(line) > 2 else EXPRESSION for line in lines]
    return Features(*(np.array(v, dtype=object) for v in (ids, symbols, types)))
