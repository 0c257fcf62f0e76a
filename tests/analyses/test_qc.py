from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def test_measures_equal_scanpy(toy: Any, run: Any) -> None:
    import anndata as ad
    import pandas as pd
    import scanpy as sc

    genes = pd.DataFrame({"mt": [g.startswith("MT-") for g in toy.genes]}, index=list(toy.genes))
    adata = ad.AnnData(toy.counts.astype(np.float32), var=genes)
    sc.pp.calculate_qc_metrics(adata, qc_vars=["mt"], percent_top=[50], inplace=True)
    done = run("qc", toy)
    for name, column in [("counts", "total_counts"), ("genes", "n_genes_by_counts"),
                         ("mitochondrial", "pct_counts_mt"),
                         ("top 50 genes", "pct_counts_in_top_50_genes")]:  # fmt: skip
        np.testing.assert_allclose(done.part(name).values, adata.obs[column], rtol=1e-5)
    seen = done.part("genes seen")
    np.testing.assert_allclose(seen.values[:, 0], adata.var["n_cells_by_counts"])
    assert seen.columns[0] == "spots"


def test_fixed_limits_remove_with_a_reason(toy: Any, run: Any) -> None:
    counts = toy.counts.copy()
    counts[0] = 0
    counts[1] = 0
    counts[1, 40] = 5  # few counts, few genes
    counts[2, [toy.genes.index("MT-CO1")]] += 2000
    done = run("qc", toy.with_(counts=counts), deviations=0, least_counts=10, least_genes=3,
               most_mitochondrial=50)  # fmt: skip
    reason = done.part("reason")
    said = [reason.categories[c] for c in reason.codes[:4]]
    assert said == ["no counts", "few counts", "many mitochondrial", "kept"]
    passes = done.part("passes")
    assert passes.categories == ("kept", "removed")
    np.testing.assert_array_equal(np.flatnonzero(passes.codes), [0, 1, 2])
    assert np.isnan(done.part("mitochondrial").values[0])
    assert any(note.startswith("253 of 256") for note in done.result.notes)


def test_outliers_are_found_on_both_sides_of_what_matters(toy: Any, run: Any) -> None:
    counts = toy.counts.copy()
    counts[5] = counts[5] // 50
    counts[6] *= 30  # rich spots stay
    done = run("qc", toy.with_(counts=counts), deviations=4)
    codes = done.part("passes").codes
    assert codes[5] == 1
    assert codes[6] == 0


def test_prefixes_are_literal(toy: Any, run: Any) -> None:
    share = run("qc", toy, mitochondrial=("RPL",)).part("mitochondrial").values
    own = 100 * toy.counts[:, toy.genes.index("RPL3")] / toy.counts.sum(axis=1)
    assert share == pytest.approx(own, rel=1e-5)
    assert run("qc", toy, mitochondrial=()).part("mitochondrial").values == pytest.approx(0)
