from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_stml.core.errors import StmlError


def test_components_equal_scanpy_up_to_sign(toy: Any, run: Any) -> None:
    import anndata as ad
    import scanpy as sc

    adata = ad.AnnData(toy.counts.astype(np.float32))
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=50)
    chosen = adata.var["highly_variable"].to_numpy()
    adata = adata[:, chosen].copy()
    sc.pp.scale(adata, max_value=10)
    sc.pp.pca(adata, n_comps=6, svd_solver="full")
    done = run("embed", toy, variable_genes=50, dimensions=6, umap=False)
    np.testing.assert_array_equal(done.part("variable genes").values[:, 0] > 0, chosen)
    ours, theirs = done.part("X_pca").values, adata.obsm["X_pca"]
    sign = np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours * sign, theirs, atol=2e-3)
    assert done.part("loadings").values.shape == (50, 6)
    share = adata.uns["pca"]["variance_ratio"] * 100
    chart = next(c for c in done.charts if c.name == "variance")
    np.testing.assert_allclose(chart.data["variance"], share, rtol=1e-3)


def test_maps_keep_the_domains_together(toy: Any, run: Any) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    done = run("embed", toy, tsne=True, perplexity=20)
    for name in ("X_umap", "X_tsne"):
        xy = done.part(name).values
        near = KNeighborsClassifier(6).fit(xy, toy.domain).predict(xy)
        assert (near == toy.domain).mean() > 0.95, name
    links = [c.links[0].kind for c in done.charts if c.chart == "scatter"]
    assert links == ["observations", "observations"]


def test_normalised_values_are_taken_as_they_are(toy: Any, run: Any) -> None:
    log = np.log1p(1e4 * toy.counts / toy.counts.sum(axis=1, keepdims=True))
    stored = run("embed", toy.with_(counts=log), values="normalised", umap=False)
    counted = run("embed", toy, umap=False)
    np.testing.assert_allclose(stored.part("X_pca").values, counted.part("X_pca").values, atol=1e-2)
    scaled = toy.with_(counts=log - log.mean(axis=0))
    with pytest.raises(StmlError, match="look scaled"):
        run("embed", scaled, values="normalised")


def test_flavours_and_few_genes(toy: Any, run: Any) -> None:
    other = run("embed", toy, flavour="cell_ranger", variable_genes=40, umap=False)
    assert other.part("variable genes").values[:, 0].sum() == 40
    one = toy.with_(counts=toy.counts[:, :1], genes=toy.genes[:1])
    with pytest.raises(StmlError, match="Only 1 genes"):
        run("embed", one)
    two = toy.with_(counts=toy.counts[:, :3], genes=toy.genes[:3])
    done = run("embed", two)
    assert done.part("X_umap").values.shape == (256, 2)
    assert any("no more than" in note for note in done.result.notes)


def test_a_perplexity_too_large_is_refused_before_anything_is_computed(toy: Any, run: Any) -> None:
    with pytest.raises(StmlError, match="perplexity 30"):
        run("embed", toy.rows(range(28)), tsne=True)


def test_equal_spots_are_refused(toy: Any, run: Any) -> None:
    same = toy.with_(counts=np.tile(toy.counts[:1] + 1, (len(toy.counts), 1)))
    with pytest.raises(StmlError, match="same expression"):
        run("embed", same)
