from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_stml.core.errors import StmlError


def scanpy_of(toy: Any, **options: Any) -> Any:
    import anndata as ad
    import pandas as pd
    import scanpy as sc
    from scipy.sparse import csr_matrix

    total = toy.counts.sum(axis=1, keepdims=True).astype(np.float32)
    log = np.log1p(1e4 * toy.counts.astype(np.float32) / total)
    adata = ad.AnnData(csr_matrix(log), var=pd.DataFrame(index=list(toy.genes)))
    groups = np.array(["tumour", "stroma", "immune"])[toy.domain]
    adata.obs["domain"] = pd.Categorical(groups)
    sc.tl.rank_genes_groups(adata, "domain", use_raw=False, pts=True, **options)
    return sc.get.rank_genes_groups_df(adata, None)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {"method": "wilcoxon"}),
        ({"ties": True}, {"method": "wilcoxon", "tie_correct": True}),
        ({"test": "t-test"}, {"method": "t-test"}),
        ({"reference": "stroma"}, {"method": "wilcoxon", "reference": "stroma"}),
    ],
    ids=["wilcoxon", "ties", "t-test", "reference"],
)
def test_equal_to_scanpy(
    ours: Any, theirs: Any, toy: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_stml.methods.markers.ranking.BLOCK", 30)  # several blocks
    table = run("markers", toy, column="domain", listed=0, **ours).part("markers").columns
    expected = scanpy_of(toy, **theirs)
    if "group" not in expected:
        expected["group"] = "?"
    expected = expected.set_index(["group", "names"])
    key = list(zip(table["group"], table["gene"], strict=True))
    assert len(key) == len(expected)
    expected = expected.loc[key]
    for mine, other in [("score", "scores"), ("logfc", "logfoldchanges"), ("p", "pvals"),
                        ("p_adj", "pvals_adj"), ("in", "pct_nz_group")]:  # fmt: skip
        np.testing.assert_allclose(table[mine], expected[other], rtol=1e-4, err_msg=mine)
    if "reference" in ours:
        genes = [toy.genes.index(g) for g in table["gene"]]
        out = (toy.counts[toy.domain == 1] > 0).mean(axis=0)[genes]
    else:
        out = expected["pct_nz_reference"]
    np.testing.assert_allclose(table["out"], out, rtol=1e-6)


def test_the_planted_genes_come_first(toy: Any, run: Any) -> None:
    done = run("markers", toy, column="domain", shown=3)
    table = done.part("markers").columns
    for group, letter in [("tumour", "T"), ("stroma", "S"), ("immune", "I")]:
        genes = [g for g, of in zip(table["gene"], table["group"], strict=True) if of == group]
        assert all(g.startswith(letter + "G") for g in genes[:10])
    dots, heat, stacked = done.charts
    assert (dots.chart, heat.chart, stacked.chart) == ("matrix", "matrix", "boxes")
    assert len(dots.data["columns"]) == 9
    assert np.array(dots.data["size"]).max() <= 1
    assert [link.kind for link in dots.links] == ["category", "gene"]
    top = np.array(heat.data["values"]).argmax(axis=0)
    assert top.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert set(stacked.data["panel"]) == set(dots.data["columns"])


def test_logistic_regression(toy: Any, run: Any) -> None:
    table = run("markers", toy, column="domain", test="logreg").part("markers").columns
    assert table["gene"][0].startswith("TG")
    assert np.isnan(table["p"]).all()
    assert np.isfinite(table["score"]).all()


def test_groups_too_small_are_left_out_and_said(toy: Any, run: Any) -> None:
    from napari_stml.core.inputs import Categories

    codes = toy.domain.astype(np.int32).copy()
    codes[:2], codes[2] = 3, -1
    held = toy.with_(columns={"x": Categories(codes, ("a", "b", "c", "rest"))})
    done = run("markers", held, column="x")
    assert set(done.part("markers").columns["group"]) == {"a", "b", "c"}
    assert "left out, fewer than 3 spots: rest" in done.result.notes
    assert "1 spots without a group left out" in done.result.notes
    with pytest.raises(StmlError, match="no group 'fat'"):
        run("markers", held, column="x", reference="fat")
    with pytest.raises(StmlError, match="Two groups"):
        run("markers", held, column="x", reference="rest")
    one = toy.with_(columns={"x": Categories(np.zeros(256, np.int32), ("a", "b"))})
    with pytest.raises(StmlError, match="a: 256"):
        run("markers", one, column="x")
    none = toy.with_(columns={"x": Categories(np.full(256, -1, np.int32), ("a", "b"))})
    with pytest.raises(StmlError, match="No spot of the scope has a category"):
        run("markers", none, column="x")


def test_a_group_may_be_called_rest(toy: Any, run: Any) -> None:
    from napari_stml.core.inputs import Categories

    held = toy.with_(columns={"x": Categories(toy.domain.astype(np.int32), ("rest", "b", "c"))})
    done = run("markers", held, column="x", reference="rest")
    assert set(done.part("markers").columns["group"]) == {"b", "c"}


@pytest.mark.parametrize("groups", [25, 80])
def test_charts_of_many_groups_stay_small(groups: int, toy: Any, run: Any) -> None:
    from napari_stml.core.inputs import Categories

    codes = (np.arange(256) * groups // 256).astype(np.int32)
    names = tuple(f"a rather long name of cluster {i}" for i in range(groups))
    held = toy.with_(columns={"x": Categories(codes, names)})
    done = run("markers", held, column="x", shown=20, smallest=2, test="t-test", least_share=0)
    assert len({g for c in done.charts for g in c.data.get("rows", c.data.get("label", ()))}) > 20
    lost = any("too large" in note for note in done.result.notes)
    assert len(done.charts) == 3 or lost
