"""10x matrices as HDF5 (version 3) and as MTX folders."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h5py
import numpy as np
from scipy.io import mmwrite
from scipy.sparse import csc_matrix

if TYPE_CHECKING:
    from pathlib import Path

GENES = 30


@dataclass(frozen=True)
class Matrix:
    """``counts`` is barcodes x features."""

    barcodes: list[str]
    features: list[tuple[str, str, str]]
    counts: np.ndarray


def matrix_of(barcodes: list[str], rng: np.random.Generator, *, protein: int = 0) -> Matrix:
    features = [(f"ENSG{i:011d}", f"GENE{i}", "Gene Expression") for i in range(GENES)]
    features += [(f"AB{i}", f"CD{i}.1", "Antibody Capture") for i in range(protein)]
    counts = rng.poisson(1.0, (len(barcodes), len(features))).astype(np.int32)
    return Matrix(barcodes, features, counts)


def write_h5(path: Path, matrix: Matrix) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    by_feature = csc_matrix(matrix.counts.T)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["barcodes"] = np.array(matrix.barcodes, dtype="S")
        group["data"] = by_feature.data
        group["indices"] = by_feature.indices.astype(np.int64)
        group["indptr"] = by_feature.indptr.astype(np.int64)
        group["shape"] = np.array(by_feature.shape, dtype=np.int32)
        features = group.create_group("features")
        for key, column in zip(("id", "name", "feature_type"), zip(*matrix.features, strict=True),
                               strict=True):  # fmt: skip
            features[key] = np.array(column, dtype="S")
        features["_all_tag_keys"] = np.array(["genome"], dtype="S")
        features["genome"] = np.array(["GRCh38"] * len(matrix.features), dtype="S")


def write_mtx(folder: Path, matrix: Matrix) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / "matrix.mtx.gz", "wb") as file:
        mmwrite(file, csc_matrix(matrix.counts.T))
    lines = "\n".join("\t".join(feature) for feature in matrix.features) + "\n"
    (folder / "features.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    barcodes = "\n".join(matrix.barcodes) + "\n"
    (folder / "barcodes.tsv.gz").write_bytes(gzip.compress(barcodes.encode()))
