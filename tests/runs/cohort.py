"""Small AnnData files as a cohort, and what the Runs on them left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_stml import Section
from napari_stml.core.results import Graph, Labels, Matrix, Values

if TYPE_CHECKING:
    from pathlib import Path

ROWS, COLUMNS, GENES = 8, 10, 36


def write_section(path: Path, seed: int) -> Path:
    """Two halves that differ in a third of the genes each; regular positions."""
    import anndata as ad
    import pandas as pd
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(seed)
    row, column = (a.ravel() for a in np.mgrid[:ROWS, :COLUMNS])
    right = column >= COLUMNS // 2
    rate = np.full((len(row), GENES), 2.0)
    rate[right, :12] *= 5
    rate[~right, 12:24] *= 5
    adata = ad.AnnData(csr_matrix(rng.poisson(rate).astype(np.float32)))
    adata.obs_names = [f"r{r}c{c}" for r, c in zip(row, column, strict=True)]
    adata.var_names = [f"G{i}" for i in range(GENES)]
    adata.obsm["spatial"] = np.column_stack([column, row]) * 100.0
    adata.obs["half"] = pd.Categorical(np.where(right, "right", "left"))
    adata.obs["good"] = rng.random(len(row)) > 0.2
    adata.obs["level"] = rng.normal(seed, 1, len(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    adata.write_h5ad(path)
    return path


def values_of(path: Path, **choices: Any) -> dict[str, np.ndarray]:
    """All values per observation of all Runs of a section, by "<run>/<value>"."""
    found: dict[str, np.ndarray] = {}
    with Section.open(path, **choices) as section:
        shelf = section.shelf
        for run in shelf.records if shelf is not None else ():
            assert shelf is not None
            for entry in shelf.entries(run):
                part = shelf.part(run, entry.name)
                key = f"{run}/{entry.name}"
                if isinstance(part, Values | Matrix):
                    found[key] = np.asarray(part.values)
                elif isinstance(part, Labels):
                    found[key] = np.asarray(part.categories, object)[part.codes]
                elif isinstance(part, Graph):
                    found[key] = part.matrix.toarray()
    return found


def assert_equal_bits(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    assert one
    for key, values in one.items():
        np.testing.assert_array_equal(values, other[key], err_msg=key)
