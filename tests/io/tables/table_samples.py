"""Small tables with everything that AnnData can hold, and the same in older layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
import zarr

if TYPE_CHECKING:
    from pathlib import Path

CELLS, GENES = 60, 12


def sample(seed: int = 0, layout: str = "csr") -> ad.AnnData:
    rng = np.random.default_rng(seed)
    counts = sp.random(CELLS, GENES, 0.3, format="csr", rng=rng, dtype=np.float32)
    counts.data = np.ceil(counts.data * 5)
    index = pd.Index([f"AAACCCGGG{i:03d}-1" for i in range(CELLS)], dtype=object)
    number = pd.array(rng.integers(0, 9, CELLS), dtype="Int64")
    number[3] = pd.NA
    domain = pd.Categorical(rng.choice(["tumour", "stroma"], CELLS), ["tumour", "stroma", "none"])
    domain[5] = None
    obs = pd.DataFrame(
        {
            "domain": domain,
            "number": number,
            "flag": pd.array([True] * CELLS, dtype="boolean"),
            "score": rng.random(CELLS),
        },
        index=index,
    )
    obs["words"] = pd.Series(rng.choice(["left", "right"], CELLS), index=index, dtype=object)
    matrix = {"csr": counts, "csc": counts.tocsc(), "dense": counts.toarray()}[layout]
    var = pd.DataFrame(
        {"gene_ids": [f"ENSG{i:05d}" for i in range(GENES)]},
        index=pd.Index([f"G{i}" for i in range(GENES)], dtype=object),
    )
    adata = ad.AnnData(X=matrix, obs=obs, var=var)
    adata.layers["columns"] = (counts * 2).tocsc()
    adata.layers["dense"] = counts.toarray() * 3
    adata.obsm["spatial"] = rng.random((CELLS, 2)) * 1000
    adata.obsm["types"] = pd.DataFrame({"B": rng.random(CELLS), "T": 0.5}, index=index)
    adata.obsm["sparse"] = sp.csr_matrix(counts[:, :4])
    adata.obsp["near"] = sp.random(CELLS, CELLS, 0.1, format="csr", rng=rng)
    adata.uns["spatial"] = {"lib": {"scalefactors": {"tissue_hires_scalef": 0.5}}}
    return adata


def dense_x(adata: ad.AnnData) -> np.ndarray:
    return adata.X.toarray() if sp.issparse(adata.X) else np.asarray(adata.X)


def write_table(adata: ad.AnnData, path: Path, key: str = "", zarr_format: int = 3) -> None:
    """As h5ad or, with its ending, as a zarr store."""
    if path.suffix == ".h5ad":
        adata.write_h5ad(path)
        return
    root = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    # Left unset, anndata warns that its default will change.
    with ad.settings.override(auto_shard_zarr_v3=False):
        ad.io.write_elem(root, key or "/", adata)


def write_old_h5ad(path: Path, adata: ad.AnnData) -> None:
    """As anndata 0.7 wrote it: categories apart and linked by reference."""
    matrix = sp.csr_matrix(adata.X)
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs.update(
            {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": matrix.shape}
        )
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)
        text = h5py.string_dtype()
        for part, frame in (("obs", adata.obs), ("var", adata.var)):
            group = file.create_group(part)
            group.create_dataset("index", data=frame.index.to_numpy(), dtype=text)
            group.attrs.update(
                {"encoding-type": "dataframe", "encoding-version": "0.1.0", "_index": "index"}
            )
            group.attrs.create("column-order", ["domain"] if part == "obs" else [], dtype=text)
        codes = file["obs"].create_dataset("domain", data=adata.obs["domain"].cat.codes.to_numpy())
        categories = file["obs"].create_dataset(
            "__categories/domain", data=list(adata.obs["domain"].cat.categories), dtype=text
        )
        categories.attrs["ordered"] = False
        codes.attrs["categories"] = categories.ref
        file.create_dataset("obsm/spatial", data=adata.obsm["spatial"])


def write_tenx(
    path: Path,
    *,
    version: int,
    features: list[tuple[str, str, str]],
    counts: sp.spmatrix,
    barcodes: list[str],
) -> None:
    """Counts are barcodes x features."""
    stored = sp.csc_matrix(counts.T)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else "mm10")
        group["barcodes"] = np.array(barcodes, dtype="S")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(stored, name)
        group["shape"] = np.array(stored.shape)
        ids, symbols, kinds = (np.array(v, dtype="S") for v in zip(*features, strict=True))
        if version == 3:
            inner = group.create_group("features")
            inner["id"], inner["name"], inner["feature_type"] = ids, symbols, kinds
        else:
            group["genes"], group["gene_names"] = ids, symbols
